"""`framecache status` of a plugin that works, and of one that stands aside."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.cli.conftest import Command
from tests.unit.cli.server import FakeOrthanc

ADVICE = "\"Workers\" is 'two'; allowed is a whole number from 1 to 64"
# What a plugin answers that found a wrong setting: it has no cache to tell of.
ASIDE: dict[str, Any] = {
    "Version": "0.1.0",
    "Versions": {"Python": "3.13.5"},
    "Serving": False,
    "OwnsFrameRoutes": False,
    "AllowThreads": True,
    "Checks": [{"Name": "Settings", "Passed": False, "Advice": ADVICE}, {"Name": "AllowThreads", "Passed": True}],
}
WORKING = {
    **ASIDE,
    "Serving": True,
    "Checks": [{"Name": "Settings", "Passed": True}],
    "Bytes": 3 << 20,
    "MaximumBytes": 20 << 30,
    "PinnedStudies": [],
    "Hits": 7,
}


def test_it_tells_what_the_cache_did(orthanc: FakeOrthanc, command: Command) -> None:
    orthanc.answers["/frame-cache/status"] = WORKING
    done = command("status")
    assert done.code == 0
    assert "3.0 MiB of 20.0 GiB" in done.output


@pytest.mark.parametrize(
    ("fault", "told"),
    [(None, "in reach; 12 behind"), ({"Since": "2026-11-30", "Reason": "no answer"}, "out of reach since 2026-11-30")],
)
def test_it_tells_whether_the_archive_is_in_reach(
    orthanc: FakeOrthanc, command: Command, fault: dict[str, str] | None, told: str
) -> None:
    orthanc.answers["/frame-cache/status"] = {**WORKING, "Archive": {"Behind": 12, "Fault": fault}}
    assert told in command("status").output


def test_it_tells_of_a_comparison_of_the_archive(orthanc: FakeOrthanc, command: Command) -> None:
    comparison = {"Since": "2026-11-30", "Reason": "archive.sqlite was lost: 3 studies left to compare"}
    archive = {"Behind": 12, "Fault": None, "Comparison": comparison}
    orthanc.answers["/frame-cache/status"] = {**WORKING, "Archive": archive}
    assert f"since 2026-11-30: {comparison['Reason']}" in command("status").output


def test_a_plugin_with_a_wrong_setting_says_what_to_change(orthanc: FakeOrthanc, command: Command) -> None:
    orthanc.answers["/frame-cache/status"] = ASIDE
    done = command("status")
    assert (done.code, done.notices) == (1, "")
    assert ADVICE in done.output


@pytest.mark.parametrize("argv", [["studies"], ["jobs"], ["events"], ["backfill"], ["rules"]])
def test_so_does_every_other_command(orthanc: FakeOrthanc, command: Command, argv: list[str]) -> None:
    orthanc.answers["/frame-cache/status"] = ASIDE
    done = command(*argv)
    assert (done.code, done.output) == (5, "")
    assert f"is off: {ADVICE}" in done.notices


def test_size_works_with_one_that_stands_aside(orthanc: FakeOrthanc, command: Command) -> None:
    orthanc.answers.update({"/frame-cache/status": ASIDE, "/system": {"Capabilities": {}}})
    assert "no extended changes" in command("size").notices
