"""What goes first: each instance once, and the backfill only while nothing else is to be done."""

from __future__ import annotations

import itertools
import threading

import pytest
from framecache.prefetch.priority import Priority, Ticket
from framecache.prefetch.work_queue import WorkQueue

from tests.unit.fakes import FakeClock

ORDER = [
    ("a viewer waits for it", Priority.VIEWER, 0),
    ("a viewer waits for it, small form", Priority.VIEWER, 1),
    ("of the study that a viewer opened", Priority.OPENED, 0),
    ("arrived", Priority.ARRIVED, 0),
    ("arrived, small form", Priority.ARRIVED, 1),
    ("somebody warmed it", Priority.WARMED, 0),
    ("prior of what arrived", Priority.PRIOR, 0),
    ("backfill", Priority.BACKFILL, 0),
    ("backfill, small form", Priority.BACKFILL, 1),
]


def work_off(line: WorkQueue) -> list[str]:
    """All that waits, in the order in which two workers take it."""
    done = []
    while len(line):
        work = next(taken for bg in (False, True) if (taken := take_now(line, in_background=bg)))
        line.leave(*work)
        done.append(work[0])
    return done


def take_now(line: WorkQueue, *, in_background: bool) -> tuple[str, Ticket] | None:
    return line.take(in_background=in_background) if line._has_next(in_background=in_background) else None


@pytest.mark.parametrize(
    "pair", list(itertools.combinations(ORDER, 2)), ids=lambda pair: f"{pair[0][0]} / {pair[1][0]}"
)
def test_which_of_two_goes_first(pair: tuple[tuple[str, Priority, int], ...]) -> None:
    for entered in (pair, pair[::-1]):
        line = WorkQueue(FakeClock())
        for name, priority, step in entered:
            line.enter(name, priority, step)
        assert work_off(line) == [name for name, *_ in pair]


def test_those_alike_go_in_the_order_in_which_they_came() -> None:
    line = WorkQueue(FakeClock())
    for name in "cab":
        line.enter(name, Priority.PRIOR)
    assert work_off(line) == ["c", "a", "b"]


def test_whoever_leaves_is_told_how_long_it_waited_and_worked() -> None:
    clock = FakeClock(1.0)
    line = WorkQueue(clock)
    line.enter("a", Priority.VIEWER)
    clock.now = 3.0
    taken = take_now(line, in_background=False)
    assert taken is not None
    clock.now = 9.0
    work = line.leave(*taken)
    assert (work.priority, work.queued, work.since) == (Priority.VIEWER, 1.0, 3.0)


def test_an_instance_that_is_moved_forward_is_done_once() -> None:
    line = WorkQueue(FakeClock())
    for priority in (Priority.BACKFILL, Priority.ARRIVED, Priority.VIEWER):
        line.enter("a", priority)
    line.enter("b", Priority.OPENED)
    assert len(line) == 2
    assert work_off(line) == ["a", "b"]


def test_the_backfill_waits_for_what_is_at_work_and_leaves_for_what_comes() -> None:
    line, taken = WorkQueue(FakeClock()), list[tuple[str, Ticket] | None]()
    line.enter("old", Priority.BACKFILL)
    line.enter("new", Priority.ARRIVED)
    new = line.take(in_background=False)
    assert new is not None
    worker = threading.Thread(target=lambda: taken.append(line.take(in_background=True)))
    worker.start()
    worker.join(0.1)
    assert not taken
    line.leave(*new)
    worker.join(5)
    assert len(taken) == 1
    assert taken[0] is not None
    name, place = taken[0]
    assert name == "old"

    assert not line.has_to_wait(place)
    line.enter("older", Priority.BACKFILL)
    assert not line.has_to_wait(place)
    line.enter("viewer", Priority.VIEWER)
    assert line.has_to_wait(place)
    viewer = line.take(in_background=False)
    assert viewer is not None
    assert line.has_to_wait(place)
    assert not line.has_to_wait(viewer[1])
    line.leave(*viewer)
    assert not line.has_to_wait(place)


@pytest.mark.parametrize("again", [Priority.VIEWER, Priority.BACKFILL])
def test_an_instance_at_work_is_held_back_until_that_has_ended(again: Priority) -> None:
    line = WorkQueue(FakeClock())
    for name in ("a", "b"):
        line.enter(name, Priority.ARRIVED)
    first = take_now(line, in_background=False)
    assert first is not None
    line.enter("a", again)
    assert work_off_others(line) == ["b"]
    line.leave(*first)
    assert work_off(line) == ["a"]


def work_off_others(line: WorkQueue) -> list[str]:
    """What may be taken while something is at work."""
    done = []
    while (work := take_now(line, in_background=False)) is not None:
        line.leave(*work)
        done.append(work[0])
    return done


def test_work_on_what_was_replaced_is_left_and_the_next_work_on_it_is_not() -> None:
    line = WorkQueue(FakeClock())
    line.enter("a", Priority.ARRIVED)
    for is_outdated in (True, False):
        work = take_now(line, in_background=False)
        assert work is not None
        name, place = work
        assert not line.has_to_wait(place)
        if is_outdated:
            line.outdate(name)
            line.put(name, place)
        assert line.has_to_wait(place) == is_outdated
        line.leave(name, place)


def test_a_closed_line_gives_nothing_to_anybody() -> None:
    line = WorkQueue(FakeClock())
    line.enter("a", Priority.VIEWER)
    line.close()
    assert [line.take(in_background=background) for background in (False, True)] == [None, None]
