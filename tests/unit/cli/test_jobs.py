"""Long work on the server: started, followed, left alone, cancelled."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.unit.cli.conftest import Command
from tests.unit.cli.job import STUDY, job
from tests.unit.cli.server import FakeOrthanc, Request
from tests.unit.fakes import orthanc_id
from tests.unit.own_files import only_here

OTHER = orthanc_id(2)


def working(orthanc: FakeOrthanc, *ends: dict[str, Any]) -> None:
    """Two studies that can be warmed; each job is running at the first look and has its end at the third."""
    for number, (study, end) in enumerate(zip((STUDY, OTHER), ends, strict=False)):
        seen = iter([job(end["ID"]), job(end["ID"], done=1), end])
        orthanc.answers[f"/studies/{study}"] = {}
        for action in ("warm", "verify"):
            started = {"ID": study, "Job": end["ID"], "Instances": 3}
            orthanc.answers[f"POST /frame-cache/studies/{study}/{action}"] = started
        orthanc.answers[f"/frame-cache/jobs/{end['ID']}"] = lambda _, seen=seen: next(seen)
        assert number < 2


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        ([job("a", "done", 3)], 0),
        ([job("a", "done", 3), job("b", "done", 3)], 0),
        ([job("a", "done", 3), job("b", "failed", 1)], 1),
        ([job("a", "cancelled", 1)], 1),
        ([job("a", "done", 3, {"Damaged": 1})], 1),
        ([job("a", "done", 3, {"Damaged": 0, "Verified": 3})], 0),
    ],
)
@pytest.mark.parametrize("action", ["warm", "verify"])
def test_jobs_are_followed_to_their_end(
    orthanc: FakeOrthanc, command: Command, action: str, ends: list[dict[str, Any]], code: int
) -> None:
    working(orthanc, *ends)
    done = command(action, *(STUDY, OTHER)[: len(ends)], "--json")
    assert (done.code, done.json) == (code, ends)


def test_no_wait_tells_the_job_and_ends(orthanc: FakeOrthanc, command: Command) -> None:
    working(orthanc, job("a", "done"))
    done = command("warm", STUDY, "--no-wait", "--json")
    assert (done.code, done.json) == (0, [{"ID": STUDY, "Job": "a", "Instances": 3}])
    assert not [request for request in orthanc.requests if "/jobs/" in request.path]


def test_ctrl_c_leaves_the_job_running_and_says_so(
    orthanc: FakeOrthanc, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    working(orthanc, job("a", "done"))

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", only_here(interrupted, time.sleep))
    done = command("warm", STUDY)
    assert done.code == 130
    assert "the server is still working" in done.notices
    assert "framecache jobs follow a" in done.notices
    assert orthanc.changes == [f"/frame-cache/studies/{STUDY}/warm"]


def test_a_plugin_without_jobs_is_not_waited_for(orthanc: FakeOrthanc, command: Command) -> None:
    orthanc.answers[f"/studies/{STUDY}"] = {}
    orthanc.answers[f"POST /frame-cache/studies/{STUDY}/warm"] = {"ID": STUDY, "Instances": 3, "Queued": 3}
    done = command("warm", STUDY)
    assert done.code == 0
    assert "has no jobs" in done.notices


def test_jobs_are_listed_and_cancelled(orthanc: FakeOrthanc, command: Command) -> None:
    orthanc.answers["/frame-cache/jobs"] = {"Jobs": [job("b", "failed", 1), job("a", "done", 3)]}
    orthanc.answers["POST /frame-cache/jobs/a/cancel"] = job("a", "cancelled")
    listed = command("jobs")
    assert listed.code == 0
    assert [line.split()[0] for line in listed.output.splitlines()] == ["job", "b", "a"]
    assert "broken" in listed.output
    cancelled = command("jobs", "cancel", "a")
    assert (cancelled.code, "cancelled" in cancelled.output) == (0, True)
    assert orthanc.changes == ["/frame-cache/jobs/a/cancel"]


def test_events_go_on_where_the_last_page_ended(orthanc: FakeOrthanc, command: Command) -> None:
    def event(number: int) -> dict[str, object]:
        return {"Sequence": number, "Time": "t", "Kind": "cached", "Level": "instances", "ID": STUDY, "Text": "\x1b[2J"}

    def page(request: Request) -> dict[str, object]:
        since = int(request.query.partition("since=")[2].partition("&")[0])
        return {"Events": [event(since + 1), event(since + 2)], "Last": 4, "Done": since >= 2}

    orthanc.answers["/frame-cache/events"] = page
    done = command("events")
    assert [line.split()[0] for line in done.output.splitlines()] == ["1", "2", "3", "4"]
    assert "\x1b" not in done.output
    lines = command("events", "--since", "2", "--json").output.splitlines()
    assert [line.startswith('{"Sequence": ') for line in lines] == [True, True]
