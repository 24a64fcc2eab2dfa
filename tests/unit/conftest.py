"""What the unit tests share."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.fakes import FakeLog, recorded_log
from tests.unit.own_files import OwnFiles

OWN_THREADS = ("frame-cache", "framecache")
ENDING_SECONDS = 30.0


@pytest.fixture
def log() -> Iterator[FakeLog]:
    """What the package logs during the test."""
    with recorded_log() as log:
        yield log


@pytest.fixture
def own_files(tmp_path: Path) -> Iterator[OwnFiles]:
    """Faults of the disk, for files below the test's folder alone."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield OwnFiles(tmp_path, monkeypatch)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """A thread of the plugin's that outlives its test works, logs and is counted in the tests behind it."""
    before = set(threading.enumerate())
    yield
    mine = [thread for thread in threading.enumerate() if thread not in before and thread.name.startswith(OWN_THREADS)]
    deadline = time.monotonic() + ENDING_SECONDS
    for thread in mine:
        thread.join(max(0.0, deadline - time.monotonic()))
    assert [thread.name for thread in mine if thread.is_alive()] == []
