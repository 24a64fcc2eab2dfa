"""How large the cache has to be, for archives of which all is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.unit.cli.conftest import Command
from tests.unit.cli.job import job
from tests.unit.cli.server import FakeOrthanc, Reply, Request
from tests.unit.fakes import orthanc_id

MEGABYTE = 1 << 20
HEADER = 1000
STATISTICS = {"CountInstances": 1, "TotalDiskSize": "1"}
SYSTEM = {"ApiVersion": 27, "Capabilities": {"HasExtendedChanges": True}}
NOW = datetime.now(UTC)

# Of the series with this number, each instance: how many frames, and how many bytes behind the header.
Content = Callable[[int], list[tuple[int, int]]]

SLICES = [(1, 1000)] * 300
PICTURE = [(1, 1000)]


def archive(orthanc: FakeOrthanc, *, series: int, days: float, content: Content, **settings: Any) -> None:
    """So many new series, evenly over the last days, each behind 99 other changes. The settings are a plugin's."""
    changes = 100 * series

    def change(number: int) -> dict[str, Any]:
        date = NOW - timedelta(days=days * (changes - number + 1) / changes)
        kind = "NewInstance" if number % 100 else "NewSeries"
        return {"Seq": number, "Date": f"{date:%Y%m%dT%H%M%S}", "ID": orthanc_id(number), "ChangeType": kind}

    def page(request: Request) -> dict[str, Any]:
        asked = parse_qs(request.query)
        since = int(asked["since"][0]) if "since" in asked else changes - 1
        first, step = (since // 100 * 100 + 100, 100) if asked.get("type") == ["NewSeries"] else (since + 1, 1)
        numbers = range(first, changes + 1, step)[: int(asked.get("limit", ["1"])[0])]
        return {"Changes": [change(number) for number in numbers], "Done": changes in numbers}

    def described(request: Request) -> list[dict[str, Any]]:
        asked = json.loads(request.body)
        return [(one_series if asked["Level"] == "Series" else instance)(name) for name in asked["Resources"]]

    def one_series(name: str) -> dict[str, Any]:
        number = int(name.partition("-")[0], 16)
        return {"ID": name, "Instances": [f"{number}/{place}" for place in range(len(content(number // 100)))]}

    def instance(name: str) -> dict[str, Any]:
        number, place = map(int, name.split("/"))
        frames, size = content(number // 100)[place]
        tags = {"NumberOfFrames": str(frames)} if frames > 1 else {}
        metadata = {"PixelDataOffset": str(HEADER)}
        return {"ID": name, "FileSize": size + HEADER, "MainDicomTags": tags, "Metadata": metadata}

    orthanc.answers.update({"/changes": page, "/tools/bulk-content": described, "/statistics": STATISTICS})
    orthanc.answers["/system"] = SYSTEM
    if settings:
        orthanc.answers["/frame-cache/status"] = {"Settings": settings}


def one_in(number: int, frames: int, size: int) -> Content:
    return lambda place: [(frames, size)] if place % number == 0 else PICTURE


def test_a_small_archive_is_counted(orthanc: FakeOrthanc, command: Command) -> None:
    archive(orthanc, series=400, days=20, content=one_in(10, 50, MEGABYTE), MaximumSizeMB=30)
    told = command("size", "--days", "100", "--json").json
    assert told["LookedAt"] | {"Since": ""} == {
        "Since": "",
        "Days": 20.0,
        "Series": 400,
        "OfSeries": 400,
        "Instances": 400,
        "OfInstances": 400,
        "CachedSeries": 40,
        "IsSample": False,
    }
    assert told["PerDay"] == {
        "Instances": 20.0,
        "CachedInstances": 2.0,
        "Bytes": pytest.approx(2 * MEGABYTE, rel=0.001),
        "BytesLow": told["PerDay"]["Bytes"],
        "BytesHigh": told["PerDay"]["Bytes"],
    }
    assert told["Present"] == {"MaximumSizeMB": 30, "Days": 15.0, "DaysLow": 15.0, "DaysHigh": 15.0}
    assert told["Wanted"]["Days"] == 100
    assert told["Wanted"]["MaximumSizeMB"] == pytest.approx(200, abs=1)
    assert told["BusiestDay"]["Bytes"] == pytest.approx(2 * MEGABYTE, rel=0.5)
    assert any("begins on" in note for note in told["Notes"])


def test_only_the_weeks_asked_for_count(orthanc: FakeOrthanc, command: Command) -> None:
    """The instances of the last week are of 2 MiB, those before of 50."""
    archive(orthanc, series=1000, days=100, content=lambda place: [(9, (2 if place > 930 else 50) * MEGABYTE)])
    told = command("size", "--weeks", "1", "--json").json
    assert told["LookedAt"]["Days"] == 7.0
    assert told["LookedAt"]["OfSeries"] == 70
    assert told["PerDay"]["Bytes"] == pytest.approx(10 * 2 * MEGABYTE, rel=0.01)
    assert told["Present"] is None
    assert any("no frame cache answers" in note for note in told["Notes"])


@pytest.mark.parametrize(
    ("frames", "size", "settings", "cached"),
    [
        (2, 1000, {}, 9),
        (1, 4 * MEGABYTE, {}, 9),
        (1, 4 * MEGABYTE - 1, {}, 0),
        (5, 1000, {"MinimumFrames": 6}, 0),
        (1, 2 * MEGABYTE, {"MinimumFrameMB": 2.0}, 9),
    ],
)
def test_what_the_settings_leave_out_is_not_counted(
    orthanc: FakeOrthanc, command: Command, frames: int, size: int, settings: dict[str, Any], cached: int
) -> None:
    archive(orthanc, series=9, days=20, content=lambda _: [(frames, size)], **{"MaximumSizeMB": 100, **settings})
    assert command("size", "--json").json["LookedAt"]["CachedSeries"] == cached


def test_a_large_archive_is_sampled_with_few_requests(orthanc: FakeOrthanc, command: Command) -> None:
    """Thirty thousand series in three million changes; of the later half each fifth is of 100 MiB."""
    archive(
        orthanc,
        series=30_000,
        days=56,
        content=lambda place: SLICES if place % 5 or place <= 15_000 else [(60, 100 * MEGABYTE)],
        MaximumSizeMB=1_000_000,
    )
    told = command("size", "--series", "500", "--weeks", "8", "--json").json
    assert told["Requests"] == len(orthanc.requests) < 80
    assert told["LookedAt"]["IsSample"] is True
    assert told["LookedAt"]["Series"] == 500
    # The bounds are those of 95 in 100; twice as far is one in ten thousand.
    truth, margin = 100 * MEGABYTE * 3000 / 56, told["PerDay"]["BytesHigh"] - told["PerDay"]["Bytes"]
    assert abs(told["PerDay"]["Bytes"] - truth) < 2 * margin < truth
    assert told["Present"]["DaysLow"] < told["Present"]["Days"] < told["Present"]["DaysHigh"]
    assert told["BusiestDay"] is None
    shown = command("size").output
    assert "MaximumSizeMB 1000000 keeps" in shown
    assert "this is a sample" in shown


def test_what_is_deleted_meanwhile_counts_as_nothing(orthanc: FakeOrthanc, command: Command) -> None:
    archive(orthanc, series=10, days=20, content=lambda _: [(9, MEGABYTE)])
    orthanc.answers["/tools/bulk-content"] = []
    told = command("size", "--json").json
    assert (told["LookedAt"]["OfSeries"], told["LookedAt"]["OfInstances"], told["PerDay"]["Bytes"]) == (10, 0, 0)


def test_where_nothing_is_cached_nothing_is_divided_by_zero(orthanc: FakeOrthanc, command: Command) -> None:
    archive(orthanc, series=50, days=20, content=lambda _: PICTURE, MaximumSizeMB=1000)
    told = command("size", "--json").json
    assert told["Present"]["Days"] is None
    assert told["Wanted"]["MaximumSizeMB"] == 16
    assert "found nothing to cache" in command("size").output


def test_an_empty_log_is_no_answer(orthanc: FakeOrthanc, command: Command) -> None:
    orthanc.answers.update({"/changes": {"Changes": [], "Last": 0, "Done": True}, "/system": SYSTEM})
    done = command("size")
    assert (done.code, done.output) == (1, "")
    assert "log of changes is empty" in done.notices


def test_a_database_that_cannot_filter_its_log_is_refused(orthanc: FakeOrthanc, command: Command) -> None:
    """It would answer with all changes, a thousand times as many."""
    archive(orthanc, series=10, days=20, content=lambda _: PICTURE)
    orthanc.answers["/system"] = {"ApiVersion": 27, "Capabilities": {"HasExtendedChanges": False}}
    done = command("size")
    assert (done.code, done.output) == (1, "")
    assert "extended changes" in done.notices


def test_a_missing_login_is_not_taken_for_a_missing_plugin(orthanc: FakeOrthanc, command: Command) -> None:
    archive(orthanc, series=50, days=20, content=lambda _: PICTURE)
    orthanc.answers["/frame-cache/status"] = Reply({"HttpStatus": 403, "Message": "AdminUsers"}, 403)
    assert command("size").code == 4


@pytest.mark.parametrize("arguments", [("--days", "0"), ("--weeks", "x"), ("--series", "10"), ("--series", "-1")])
def test_numbers_out_of_bounds_are_wrong_usage(command: Command, arguments: tuple[str, str]) -> None:
    done = command("size", *arguments)
    assert done.code == 2
    assert arguments[1] in done.notices


@pytest.mark.parametrize("setting", [{"Rules": [{"Modality": "MG"}]}, {"Transcode": [{}]}])
def test_where_rules_decide_the_server_s_dry_run_is_shown_beside(
    orthanc: FakeOrthanc, command: Command, setting: dict[str, Any]
) -> None:
    """100 MiB keep 50 days: so 2 MiB come in a day, and 30 days want 60."""
    archive(orthanc, series=9, days=20, content=lambda _: [(9, MEGABYTE)], MaximumSizeMB=100, **setting)
    preview(orthanc, {"Total": {"CacheBytes": 40 * MEGABYTE}, "DaysKept": 50.0})
    told = command("size", "--weeks", "2", "--json").json
    (question,) = (json.loads(one.body) for one in orthanc.requests if one.path == "/frame-cache/rules/preview")
    assert question == {"Rules": None, "Days": 14}
    assert told["ByRules"] == {"BytesPerDay": 2 * MEGABYTE, "DaysKept": 50.0, "MaximumSizeMB": 60}
    assert any("by Study Date" in note for note in told["Notes"])
    shown = command("size").output
    assert "2.0 MiB a day; the present MaximumSizeMB keeps 50.0 days" in shown


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (None, {"BytesPerDay": None, "DaysKept": None, "MaximumSizeMB": None}),
        (0, {"BytesPerDay": 0, "DaysKept": None, "MaximumSizeMB": 16}),
    ],
)
def test_what_the_server_cannot_tell_of_rules_is_not_made_up(
    orthanc: FakeOrthanc, command: Command, size: int | None, expected: dict[str, Any]
) -> None:
    rules = [{"Modality": "MG", "Form": "HTJ2K"}]
    archive(orthanc, series=9, days=20, content=lambda _: [(9, MEGABYTE)], MaximumSizeMB=100, Rules=rules)
    preview(orthanc, {"Total": {"CacheBytes": size}, "DaysKept": None})
    told = command("size", "--json").json
    assert told["ByRules"] == expected
    assert any("exclude rules and Transcode" in note for note in told["Notes"]) == (size is None)
    assert ("by the rules" in command("size").output) == (size is not None)


def test_without_rules_there_is_no_dry_run(orthanc: FakeOrthanc, command: Command) -> None:
    archive(orthanc, series=9, days=20, content=lambda _: [(9, MEGABYTE)], MaximumSizeMB=100, Rules=[])
    assert command("size", "--json").json["ByRules"] is None


def preview(orthanc: FakeOrthanc, result: dict[str, Any]) -> None:
    """What the server answers to a dry run."""
    orthanc.answers["POST /frame-cache/rules/preview"] = {"Job": "a"}
    orthanc.answers["/frame-cache/jobs/a"] = job("a", "done", result=result)
