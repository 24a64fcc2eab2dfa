"""Looking after the store goes on whatever goes wrong, and what fills it is started behind the check in any case."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import pytest
from framecache.maintenance.housekeeping import Housekeeping
from framecache.store.buffers import BufferPool

from tests.unit.fakes import FakeLog, WatchedStore, eventually


def test_an_error_ends_neither_the_start_nor_the_rounds(monkeypatch: pytest.MonkeyPatch, log: FakeLog) -> None:
    store, rounds, begun = WatchedStore(), list[int](), list[int]()

    def refuse(_: Callable[[], bool]) -> NoReturn:
        raise TypeError

    def tend(is_stopping: Callable[[], bool]) -> None:
        rounds.append(1)
        refuse(is_stopping)

    monkeypatch.setattr(store, "check", refuse)
    monkeypatch.setattr(store, "tend", tend)
    looking = Housekeeping(store, BufferPool(1, 0), lambda: begun.append(1), seconds=0.01)
    looking.start()

    assert eventually(lambda: len(rounds) >= 3)
    assert begun == [1]
    assert "housekeeping failed: TypeError" in log.of("error")[0]
    looking.stop()
    looking.join(30)
    ended = len(rounds)
    assert not eventually(lambda: len(rounds) > ended, 0.1)
