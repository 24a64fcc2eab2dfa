"""What all tests share: the end of a run lists what it left out, and why."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings

# A shared or slow machine may pause any example; what must be quick is timed by its own test.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

_DESELECTED = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_DESELECTED] = []


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items:
        item.config.stash[_DESELECTED].append(item.nodeid)


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
