"""`framecache rules`: the server's dry run, shown."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Command
from tests.unit.cli.job import job
from tests.unit.cli.server import FakeOrthanc, Reply
from tests.unit.own_files import only_here

RULES = [{"Modality": "MG", "Form": "HTJ2K"}]
JOB = "/frame-cache/jobs/a"
PREVIEW = "POST /frame-cache/rules/preview"


def row(rule: int | None, size: int | None, seconds: float | None) -> dict[str, Any]:
    told = {"Instances": 12, "Frames": 700, "StoredBytes": 5 << 30, "CacheBytes": size, "CPUSeconds": seconds}
    return {"Rule": rule, "Written": RULES[0] if rule else None, "Extract": "arrival" if rule else "demand", **told}


def result(size: int | None = 7 << 30, seconds: float | None = 81.25) -> dict[str, Any]:
    return {
        "Days": 30,
        "FirstStudyDate": "2026-10-23",
        "Studies": 9,
        "DaysKept": None if size is None else 88.5,
        "Measured": {"stored": {"StoredBytes": 1 << 30, "CacheBytes": 1 << 30, "CPUSeconds": 3.2}},
        "Rules": [row(1, size, seconds), row(None, 0, 0.0)],
        "Total": row(None, size, seconds),
    }


def started(orthanc: FakeOrthanc, end: dict[str, Any]) -> None:
    orthanc.answers[PREVIEW] = {"Job": "a"}
    seen = iter([job("a"), end])
    orthanc.answers[JOB] = lambda _: next(seen)


def asked(orthanc: FakeOrthanc) -> Any:
    return json.loads(orthanc.requests[0].body)


def test_the_rules_in_force_are_asked_about_and_each_is_shown_with_what_it_costs(
    orthanc: FakeOrthanc, command: Command
) -> None:
    started(orthanc, job("a", "done", result=result()))
    done = command("rules")

    assert (done.code, asked(orthanc)) == (0, {"Rules": None, "Days": 30})
    assert orthanc.requests[0].headers["X-Frame-Cache"]
    first, rest, total = done.output.splitlines()[1:4]
    assert first.startswith("1")
    assert '{"Modality": "MG", "Form": "HTJ2K"}' in first
    assert all(word in first for word in ("on arrival", "12", "700", "5.0 GiB", "7.0 GiB", "81.2 s"))
    assert rest.startswith("none")
    assert "when viewed" in rest
    assert total.startswith("all")
    assert "9 studies since 2026-10-23" in done.output
    assert "room for 88 days" in done.output
    assert "stored 3.2 s for 1.0 GiB" in done.output


def test_an_archive_without_such_studies_is_said_to_have_none(orthanc: FakeOrthanc, command: Command) -> None:
    started(orthanc, job("a", "done", result={**result(), "Studies": 0, "FirstStudyDate": None}))

    assert command("rules").output.splitlines()[-1] == "No studies in this period."


def test_what_was_never_measured_is_said_to_be_unknown(orthanc: FakeOrthanc, command: Command) -> None:
    started(orthanc, job("a", "done", result=result(None, None)))
    done = command("rules")

    assert '"-" is unknown' in done.output
    assert "room for" not in done.output


@pytest.mark.parametrize("content", [RULES, {"Rules": RULES}, {"FrameCache": {"Rules": RULES}, "Name": "x"}])
def test_other_rules_are_read_from_a_list_or_a_configuration(
    orthanc: FakeOrthanc, command: Command, tmp_path: Path, content: object
) -> None:
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(content))
    started(orthanc, job("a", "done", result=result()))
    done = command("rules", "--last", "4w", "--rules", str(path), "--json")

    assert (done.code, done.json) == (0, result())
    assert asked(orthanc) == {"Rules": RULES, "Days": 28}


@pytest.mark.parametrize("content", ["no JSON", "{}", '"MG"', '{"FrameCache": {}}', None])
def test_a_file_without_rules_is_wrong_usage(
    orthanc: FakeOrthanc, command: Command, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "rules.json"
    if content is not None:
        path.write_text(content)
    done = command("rules", "--rules", str(path))

    assert (done.code, orthanc.requests) == (2, [])
    assert str(path) in done.notices


@pytest.mark.parametrize("last", ["", "d", "0d", "-1d", "30h", "101y", "1.5w", "²d"])
def test_a_time_that_is_none_is_wrong_usage(orthanc: FakeOrthanc, command: Command, last: str) -> None:
    done = command("rules", f"--last={last}")

    assert (done.code, orthanc.requests) == (2, [])
    assert "30d, 4w or 1y" in done.notices


def test_what_the_server_says_of_wrong_rules_is_passed_on(orthanc: FakeOrthanc, command: Command) -> None:
    orthanc.answers[PREVIEW] = Reply({"HttpStatus": 400, "Message": 'rule 1 of "Rules": "Modality" is 7'}, 400)
    done = command("rules")

    assert done.code == 1
    assert 'rule 1 of "Rules": "Modality" is 7' in done.notices


def test_a_dry_run_that_failed_is_said_to_have(orthanc: FakeOrthanc, command: Command) -> None:
    started(orthanc, job("a", "failed"))
    done = command("rules")

    assert (done.code, "the dry run is failed: broken" in done.notices) == (1, True)


def test_ctrl_c_ends_the_dry_run(orthanc: FakeOrthanc, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    started(orthanc, job("a", "done", result=result()))
    orthanc.answers[f"POST {JOB}/cancel"] = job("a", "cancelled")

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", only_here(interrupted, time.sleep))
    assert command("rules").code == 130
    assert orthanc.changes[-1] == f"{JOB}/cancel"
