"""The backlog's low watermark never passes work that is not done."""

from __future__ import annotations

from framecache.dispatcher import Dispatcher
from framecache.prefetch.checkpoint import Checkpoint
from framecache.prefetch.events import CheckpointHasRoom
from hypothesis import given
from hypothesis import strategies as st


def test_what_was_stored_again_counts_as_the_newer_change() -> None:
    checkpoint = Checkpoint(Dispatcher())
    for sequence, name in ((1, "a"), (2, "b"), (3, "a")):
        checkpoint.add(sequence, name)
    checkpoint.read(3)
    assert checkpoint.finished == 1
    checkpoint.done("b")
    assert checkpoint.finished == 2
    checkpoint.done("a")
    assert checkpoint.finished == 3


def test_a_change_that_is_being_read_is_not_finished() -> None:
    checkpoint = Checkpoint(Dispatcher())
    checkpoint.begin(7)
    checkpoint.add(9, "a")
    checkpoint.done("a")
    assert checkpoint.finished == 7


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=60))
def test_all_up_to_the_watermark_is_done(steps: list[tuple[bool, int]]) -> None:
    checkpoint, last, newest = Checkpoint(Dispatcher()), 0, dict[str, int]()
    for is_new, number in steps:
        if is_new:
            last += 1
            newest[str(number)] = last
            checkpoint.add(last, str(number))
            checkpoint.read(last)
        else:
            newest.pop(str(number), None)
            checkpoint.done(str(number))
        assert checkpoint.finished == min(newest.values(), default=last + 1) - 1


def test_a_full_backlog_asks_for_more_when_half_of_it_is_done() -> None:
    calls: list[int] = []
    dispatcher = Dispatcher()
    dispatcher.subscribe(CheckpointHasRoom, lambda _: calls.append(1))
    checkpoint = Checkpoint(dispatcher, most_unfinished=4)
    for number in range(4):
        assert checkpoint.has_room()
        checkpoint.add(number, str(number))
    assert not checkpoint.has_room()
    checkpoint.done("0")
    assert (checkpoint.has_room(), calls) == (False, [])
    checkpoint.done("1")
    assert (checkpoint.has_room(), calls) == (True, [1])


def test_small_forms_hold_up_no_new_instances_until_there_are_very_many() -> None:
    checkpoint = Checkpoint(Dispatcher(), most_unfinished=4, most_in_all=10)
    for number in range(1, 10):
        checkpoint.add(number, str(number))
        checkpoint.read(number)
        checkpoint.stored_form_cached(str(number))
        assert checkpoint.has_room()
    assert checkpoint.finished == 0  # what has no small form yet is begun with after a restart
    checkpoint.add(10, "10")
    checkpoint.stored_form_cached("10")
    assert not checkpoint.has_room()
    for number in range(1, 6):
        checkpoint.done(str(number))
    assert checkpoint.has_room()


def test_what_was_kept_and_is_stored_again_counts_anew() -> None:
    checkpoint = Checkpoint(Dispatcher(), most_unfinished=1)
    checkpoint.add(1, "a")
    checkpoint.stored_form_cached("a")
    checkpoint.stored_form_cached("never heard of")
    assert checkpoint.has_room()
    checkpoint.add(2, "a")
    assert not checkpoint.has_room()
