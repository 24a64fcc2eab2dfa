"""What goes first: each instance once, and the backfill only while nothing else is to be done."""

from __future__ import annotations

import itertools
import threading

import pytest
from framecache.prefetch.task import Priority, Task
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


def work_off(queue: WorkQueue) -> list[str]:
    """All that waits, in the order in which two workers take it."""
    done = []
    while len(queue):
        task = next(taken for bg in (False, True) if (taken := queue.take_now(in_background=bg)))
        queue.leave(task)
        done.append(task.orthanc_id)
    return done


@pytest.mark.parametrize(
    "pair", list(itertools.combinations(ORDER, 2)), ids=lambda pair: f"{pair[0][0]} / {pair[1][0]}"
)
def test_which_of_two_goes_first(pair: tuple[tuple[str, Priority, int], ...]) -> None:
    for entered in (pair, pair[::-1]):
        queue = WorkQueue(FakeClock())
        for name, priority, step in entered:
            queue.enter(name, priority, step)
        assert work_off(queue) == [name for name, *_ in pair]


def test_those_alike_go_in_the_order_in_which_they_came() -> None:
    queue = WorkQueue(FakeClock())
    for name in "cab":
        queue.enter(name, Priority.PRIOR)
    assert work_off(queue) == ["c", "a", "b"]


def test_a_task_knows_how_long_it_waited_and_since_when_it_is_at_work() -> None:
    clock = FakeClock(1.0)
    queue = WorkQueue(clock)
    queue.enter("a", Priority.VIEWER)
    clock.now = 3.0
    task = queue.take_now(in_background=False)
    assert task is not None
    assert (task.priority, task.queued, task.since) == (Priority.VIEWER, 1.0, 3.0)


def test_an_instance_that_is_moved_forward_is_done_once() -> None:
    queue = WorkQueue(FakeClock())
    for priority in (Priority.BACKFILL, Priority.ARRIVED, Priority.VIEWER):
        queue.enter("a", priority)
    queue.enter("b", Priority.OPENED)
    assert len(queue) == 2
    assert work_off(queue) == ["a", "b"]


def test_the_backfill_waits_for_what_is_at_work_and_leaves_for_what_comes() -> None:
    queue, taken = WorkQueue(FakeClock()), list[Task | None]()
    queue.enter("old", Priority.BACKFILL)
    queue.enter("new", Priority.ARRIVED)
    new = queue.take(in_background=False)
    assert new is not None
    worker = threading.Thread(target=lambda: taken.append(queue.take(in_background=True)))
    worker.start()
    worker.join(0.1)
    assert not taken
    queue.leave(new)
    worker.join(30)
    assert len(taken) == 1
    (old,) = taken
    assert old is not None
    assert old.orthanc_id == "old"

    assert not queue.must_yield(old)
    queue.enter("older", Priority.BACKFILL)
    assert not queue.must_yield(old)
    queue.enter("viewer", Priority.VIEWER)
    assert queue.must_yield(old)
    viewer = queue.take(in_background=False)
    assert viewer is not None
    assert queue.must_yield(old)
    assert not queue.must_yield(viewer)
    queue.leave(viewer)
    assert not queue.must_yield(old)


@pytest.mark.parametrize("again", [Priority.VIEWER, Priority.BACKFILL])
def test_an_instance_at_work_is_held_back_until_that_has_ended(again: Priority) -> None:
    queue = WorkQueue(FakeClock())
    for name in ("a", "b"):
        queue.enter(name, Priority.ARRIVED)
    first = queue.take_now(in_background=False)
    assert first is not None
    queue.enter("a", again)
    assert work_off_others(queue) == ["b"]
    queue.leave(first)
    assert work_off(queue) == ["a"]


def work_off_others(queue: WorkQueue) -> list[str]:
    """What may be taken while something is at work."""
    done = []
    while (task := queue.take_now(in_background=False)) is not None:
        queue.leave(task)
        done.append(task.orthanc_id)
    return done


def test_work_on_what_was_replaced_is_left_and_the_next_work_on_it_is_not() -> None:
    queue = WorkQueue(FakeClock())
    queue.enter("a", Priority.ARRIVED)
    for is_outdated in (True, False):
        task = queue.take_now(in_background=False)
        assert task is not None
        assert not queue.must_yield(task)
        if is_outdated:
            queue.outdate(task.orthanc_id)
            queue.put_back(task)
        assert queue.must_yield(task) == is_outdated
        queue.leave(task)


@pytest.mark.parametrize("again", ["put_back", "enter_again"])
def test_work_that_was_cancelled_or_waits_already_is_not_put_back(again: str) -> None:
    queue = WorkQueue(FakeClock())
    queue.enter("cancelled", Priority.ARRIVED)
    queue.enter("waiting", Priority.ARRIVED)
    cancelled, waiting = queue.take_now(in_background=False), queue.take_now(in_background=False)
    assert cancelled is not None
    assert waiting is not None
    assert not queue.cancel("cancelled")
    queue.enter("waiting", Priority.VIEWER)
    for task in (cancelled, waiting):
        queue.put_back(task) if again == "put_back" else queue.enter_again(task, 1)
        queue.leave(task)

    (ticket,) = queue.tickets()
    assert (ticket.orthanc_id, ticket.priority, ticket.step) == ("waiting", Priority.VIEWER, 0)


def test_a_closed_queue_gives_nothing_to_anybody() -> None:
    queue = WorkQueue(FakeClock())
    queue.enter("a", Priority.VIEWER)
    queue.close()
    assert [queue.take(in_background=background) for background in (False, True)] == [None, None]
