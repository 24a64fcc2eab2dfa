"""The machine's clock jumps while a real Orthanc is at work: frames come, and nothing is lost or kept for ever."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from dev import faketime
from dev.faketime import FolderWithClock
from dev.orthanc_server import OrthancServer
from dev.sample import Sample
from tests.integration.archive import CONFIGURATION, Archive, wait_until

pytestmark = pytest.mark.orthanc

SMALL = Sample(frames=4, rows=64, columns=96)
SECTION = {"FrameCache": {"MaximumAgeDays": 30, "RevalidateSeconds": 1}}


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clock") / "clock"
    path.write_text("+0d")
    return path


@pytest.fixture(scope="module")
def archive(clock: Path) -> Iterator[Archive]:
    """One suite: Orthanc's own clock has no part in this."""
    server = OrthancServer("forky", clock.with_name("orthanc"), {**CONFIGURATION, **SECTION})
    server.installed = FolderWithClock(server.installed.suite, server.installed.root, faketime.unpack(), clock)
    with server:
        archive = Archive(server)
        archive.wait_until_checked()
        yield archive
        server.kill()


def set_clock(archive: Archive, clock: Path, days: int) -> None:
    """So many days off, as soon as Orthanc itself says so; libfaketime looks at its file once a second."""
    clock.write_text(f"{days:+}d")

    def has_jumped() -> bool:
        try:
            # One that is under way at the jump may wait for its year in the server: the next one, soon, does not.
            answer = requests.get(f"{archive.server.url}/tools/now", timeout=2)
            told = datetime.strptime(answer.text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        except (requests.ConnectionError, requests.Timeout):
            return False  # Orthanc's HTTP server times connections out by this clock
        return abs(told - datetime.now(UTC) - timedelta(days)) < timedelta(minutes=1)

    wait_until(has_jumped)


def test_after_each_jump_what_was_cached_is_served_and_what_is_new_is_cached(archive: Archive, clock: Path) -> None:
    """Years back, years forward, and a day back."""
    stored = [archive.store(replace(SMALL, seed=14000))]
    for seed, days in enumerate((-7000, 1, 0), 14001):
        set_clock(archive, clock, days)
        for instance in stored:
            assert archive.frames(instance, "1").headers["X-Frame-Cache"] == "hit", days
        stored.append(archive.store(replace(SMALL, seed=seed)))
        assert archive.frames(stored[-1], "1").headers["X-Frame-Cache"] == "hit", days
    assert (archive.status()["Errors"], archive.status()["Degraded"]) == (0, None)


def test_a_year_forward_lets_go_what_is_old_by_it_and_back_again_what_is_new_stays(
    archive: Archive, clock: Path
) -> None:
    old = archive.store(replace(SMALL, seed=14100))
    set_clock(archive, clock, 365)
    wait_until(lambda: archive.progress(old)["CachedFrames"] == 0)
    assert archive.frames(old, "1").headers["X-Frame-Cache"] == "miss"
    archive.wait_until_cached(old)
    set_clock(archive, clock, 0)
    new = archive.store(replace(SMALL, seed=14101))
    for instance in (old, new):
        assert archive.frames(instance, "1").headers["X-Frame-Cache"] == "hit"
