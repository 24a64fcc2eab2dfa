"""What all tests share: how they are run side by side, and a list of what a run left out, and why."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from dev.console import SetupError
from dev.s3 import S3Server, make_swift

# Each helper process would compile pydicom and numpy anew, which takes two thirds of its start.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shared or slow machine may pause any example; what must be quick is timed by its own test.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
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


# What takes longest begins first, so that no process is left alone with it at the end: xdist would begin with the files
# of the most tests, and end with those of few long ones. Docker waits for the network while the first one computes.
_SLOWEST = (
    "tests/real_files/test_real_files.py",
    "docker",
    "tests/conformance/test_table.py",
    "tests/viewer/test_ohif.py",
    "tests/clients/test_clients.py",
    "tests/viewer/test_microscopy.py",
    "tests/unit/codecs/test_codec_pool.py",
    "tests/integration/test_staleness.py",
    "tests/integration/test_failures.py",
    "tests/integration/test_life_cycle.py",
    "tests/unit/codecs/process/test_file_header.py",
    "tests/integration/test_catch_up.py",
    "tests/viewer/test_page_states.py",
    "tests/viewer/test_page.py",
    "tests/integration/test_rendering_equality.py",
    "tests/integration/test_instance_retrieval.py",
    "tests/integration/test_configuration.py",
    "tests/conformance/test_stock.py",
    "tests/conformance/test_anything.py",
    "tests/integration/test_nodes.py",
    "tests/integration/test_senders.py",
    "tests/integration/test_cluster_database.py",
    "tests/integration/test_cache_states.py",
    "tests/viewer/test_orthancs_ohif.py",
    "tests/dev/test_run.py",
    "tests/integration/test_study_retrieval.py",
    "tests/integration/test_codec_equality.py",
    "tests/integration/test_metadata.py",
    "tests/integration/test_clock_jumps.py",
    "tests/integration/test_crashes.py",
    "tests/viewer/test_static_archive.py",
    "tests/conformance/test_http.py",
    "tests/conformance/test_attacks.py",
    "tests/integration/test_load.py",
    "tests/integration/test_openapi.py",
    "tests/integration/test_nodes_on_bucket.py",
    "tests/distribution/test_distribution.py",
    "tests/real_files/test_metadata.py",
    "tests/integration/test_backfill.py",
    "tests/integration/test_monitoring.py",
    "tests/integration/test_hammer.py",
    "tests/integration/test_many_viewers.py",
    "tests/unit/tree/test_writers.py",
    "tests/unit/tree/test_histories.py",
    "tests/unit/test_back_pressure.py",
    "tests/unit/cluster/test_shared_work.py",
    "tests/integration/test_stopping.py",
    "tests/soak/test_soak.py",
    "tests/integration/test_archive.py",
)


class Scheduling(LoadFileScheduling):  # type: ignore[misc] # xdist has no types
    """The tests of a file go to one process, which starts its Orthanc once; those of one Docker engine too."""

    def _split_scope(self, nodeid: str) -> str:
        return "docker" if nodeid.startswith("tests/docker/") else _file(nodeid)

    def _assign_work_unit(self, node: object) -> None:
        slowest = next((scope for scope in _SLOWEST if scope in self.workqueue), None)
        if slowest is not None:
            self.workqueue.move_to_end(slowest, last=False)
        super()._assign_work_unit(node)


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
