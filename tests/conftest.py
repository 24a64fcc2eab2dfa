"""What all tests share: how they are run side by side, and a list of what a run left out, and why."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

from dev.console import SetupError
from dev.s3 import S3Server, make_swift

# Each helper process would compile pydicom and numpy anew, which takes two thirds of its start.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shared or slow machine may pause any example; what must be quick is timed by its own test.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

_DESELECTED = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One for each process of tests: name buckets uniquely. Skipped where it cannot be had, but not in CI."""
    try:
        make_swift()
    except SetupError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_DESELECTED] = []


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items:
        item.config.stash[_DESELECTED].append(item.nodeid)


class Scheduling(LoadFileScheduling):  # type: ignore[misc] # xdist has no types
    """The tests of a file go to one process, which starts its Orthanc once; those of one Docker engine too."""

    def _split_scope(self, nodeid: str) -> str:
        return "docker" if nodeid.startswith("tests/docker/") else _file(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling:
    return Scheduling(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    left_out = Counter(_skipped(terminalreporter))
    left_out.update(f"{_file(nodeid)}: deselected ({_selection(config)})" for nodeid in config.stash[_DESELECTED])
    terminalreporter.section("left out")
    for line, count in sorted(left_out.items()):
        terminalreporter.line(f"{count} of {line}")
    if not left_out:
        terminalreporter.line("nothing")


def _skipped(terminalreporter: pytest.TerminalReporter) -> list[str]:
    """A skipped module has no report of its own tests, but one of its collection."""
    lines = []
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        lines.append(f"{_file(report.nodeid)}: {reason}")
    return lines


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def _selection(config: pytest.Config) -> str:
    options = {"-m": config.option.markexpr, "-k": config.option.keyword, "--deselect": config.option.deselect}
    return ", ".join(f"{name} {value}" for name, value in options.items() if value)
