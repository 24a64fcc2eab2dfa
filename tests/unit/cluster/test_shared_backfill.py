"""What an administrator wishes of the shared backfill."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from framecache.cluster import shared_backfill
from framecache.cluster.shared_backfill import SharedBackfill
from framecache.errors import Overloaded


class SlowDatabase:
    """Stands in for the shared database and its queue; the first look takes until `go`, and a pause takes a while."""

    def __init__(self) -> None:
        self.looking, self.go, self.paused = threading.Event(), threading.Event(), list[str]()
        self.jobs = SimpleNamespace(all=self._look, processes=lambda: 0, at_work=dict)

    def open(self) -> None:
        """It is open."""

    def pause(self, kind: str) -> None:
        time.sleep(0.2)
        self.paused.append(kind)

    def _look(self) -> list[Any]:
        self.looking.set()
        self.go.wait(60)
        return []


@pytest.fixture
def slow() -> SlowDatabase:
    return SlowDatabase()


@pytest.fixture
def backfill(slow: SlowDatabase, monkeypatch: pytest.MonkeyPatch) -> Iterator[SharedBackfill]:
    work = SimpleNamespace(start=lambda: None, stop=lambda: None)
    for name, substitute in {"Database": slow, "PieceQueue": slow, "SharedWork": work}.items():
        monkeypatch.setattr(shared_backfill, name, lambda *_, it=substitute, **_options: it)
    nothing: Any = SimpleNamespace(newest_days=0, starts=False)
    made = SharedBackfill("", "a", nothing, nothing, nothing, nothing, nothing, nothing)
    made.start()
    yield made
    slow.go.set()
    made.stop()


def test_what_is_wished_while_the_database_is_looked_at_has_happened_when_it_is_granted(
    backfill: SharedBackfill, slow: SlowDatabase
) -> None:
    assert slow.looking.wait(60)
    threading.Timer(0.1, slow.go.set).start()
    backfill.pause()
    assert slow.paused == ["backfill"]


def test_what_was_answered_with_503_does_not_happen_later(
    backfill: SharedBackfill, slow: SlowDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert slow.looking.wait(60)
    with monkeypatch.context() as impatient:
        impatient.setattr(shared_backfill, "_PATIENCE", 0.05)
        with pytest.raises(Overloaded):
            backfill.pause()
    slow.go.set()
    backfill.pause_other("export")
    assert slow.paused == ["export"]
