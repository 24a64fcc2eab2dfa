"""A wish is fulfilled while somebody waits for it; who was told that it is not need not fear that it will be."""

from __future__ import annotations

import threading

import pytest
from framecache.cluster.wish import Wish


def test_what_was_given_up_is_not_done() -> None:
    done: list[str] = []
    wish = Wish(lambda: done.append("done"))
    assert not wish.wait(0.0)
    wish.fulfil()
    assert done == []


def test_what_was_done_counts_though_its_effect_was_not_seen_in_time() -> None:
    done: list[str] = []
    wish = Wish(lambda: done.append("done"))
    wish.fulfil()
    assert wish.wait(0.0)
    wish.fulfil()
    assert done == ["done"]


def test_what_failed_is_done_by_the_next_turn_for_whoever_still_waits() -> None:
    outcomes = iter([ConnectionError(), None])

    def act() -> None:
        if (error := next(outcomes)) is not None:
            raise error

    wish = Wish(act)
    with pytest.raises(ConnectionError):
        wish.fulfil()
    wish.fulfil()
    wish.see()
    assert wish.wait(10.0)


def test_what_is_at_work_and_does_not_end_keeps_nobody_waiting() -> None:
    begun, go = threading.Event(), threading.Event()

    def act() -> None:
        begun.set()
        go.wait(10)

    wish = Wish(act)
    thread = threading.Thread(target=wish.fulfil)
    thread.start()
    assert begun.wait(10)
    assert not wish.wait(0.01)
    go.set()
    thread.join()
    assert wish.wait(0.0)
