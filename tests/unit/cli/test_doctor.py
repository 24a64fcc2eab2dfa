"""`framecache doctor` asks the files and the server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import framecache
import pytest
from framecache.cli.doctor import configuration_in_use

from tests.unit.cli.conftest import Command
from tests.unit.cli.server import FakeOrthanc
from tests.unit.installation.site import Site

WELL: dict[str, Any] = {
    "Version": framecache.__version__,
    "Serving": True,
    "Checks": [{"Name": "Settings", "Passed": True}],
    "Degraded": None,
    "Failures": 0,
    "FailedInstances": {},
    "DamagedBlocks": 0,
}
FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "check": (
        {"Checks": [{"Name": "RouteOrder", "Passed": False, "Advice": "list it first"}]},
        "RouteOrder",
        "list it",
    ),
    "off": ({"Serving": False}, "Serving", "serves no frames"),
    "degraded": ({"Degraded": {"Since": "today", "Reason": "the disk is full"}}, "Caching", "the disk is full"),
    "failures": ({"Failures": 2, "FailedInstances": {"a": "no pixels"}}, "Extraction", "no pixels"),
    "damage": ({"DamagedBlocks": 3}, "Blocks", "3 cached blocks"),
    "version": ({"Version": "0.1.0"}, "Version", "the plugin is 0.1.0"),
}


def failed(output: str) -> dict[str, str]:
    return {one["Name"]: one["Advice"] for one in json.loads(output)["Checks"] if not one["Passed"]}


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("framecache.cli.doctor.CONFIGURATION", str(tmp_path / "not here"))


@pytest.mark.usefixtures("nowhere")
def test_a_server_that_is_well_passes(orthanc: FakeOrthanc, command: Command) -> None:
    orthanc.answers["/frame-cache/status"] = WELL
    done = command("doctor")
    assert done.code == 0, done.output
    assert "checks passed." in done.output
    assert "only the server is asked" in done.notices


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_server_is_named(orthanc: FakeOrthanc, command: Command, name: str) -> None:
    change, check, words = FAULTS[name]
    orthanc.answers["/frame-cache/status"] = {**WELL, **change}
    done = command("doctor", "--json")
    assert done.code == 1
    assert list(failed(done.output)) == [check]
    assert words in failed(done.output)[check]


@pytest.mark.usefixtures("nowhere")
def test_a_server_without_the_plugin_is_a_fault_too(command: Command) -> None:
    done = command("doctor", "--json")
    assert (done.code, list(failed(done.output))) == (1, ["Server"])


def test_the_files_are_examined_without_a_server(tmp_path: Path, command: Command) -> None:
    site = Site.make(tmp_path)
    site.change(Python={})
    done = command("doctor", str(site.configuration), "--offline")
    assert done.code == 1
    assert '"AllowThreads": true' in done.output


@pytest.mark.parametrize(
    ("environment", "made", "found"),
    [
        ({"ORTHANC__NAME": "pacs"}, ["made.json"], "made.json"),
        ({"ORTHANC__NAME": "pacs"}, [], "etc"),
        ({"HOME": "/root"}, ["made.json"], "etc"),
    ],
)
def test_in_a_container_that_is_configured_by_variables_their_outcome_is_examined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], made: list[str], found: str
) -> None:
    monkeypatch.setattr("framecache.cli.doctor.CONFIGURATION", str(tmp_path / "etc"))
    for name in made:
        (tmp_path / name).write_text("{}")

    assert configuration_in_use(environment, tmp_path / "made.json") == tmp_path / found
