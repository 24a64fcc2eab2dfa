"""The backlog's low watermark never passes work that is not done."""

from __future__ import annotations

import pytest
from framecache.filling.backlog import Backlog
from hypothesis import given
from hypothesis import strategies as st


def test_what_was_stored_again_counts_as_the_newer_change() -> None:
    backlog = Backlog()
    for sequence, name in ((1, "a"), (2, "b"), (3, "a")):
        backlog.add(sequence, name)
    backlog.read(3)
    assert backlog.finished == 1
    backlog.done("b")
    assert backlog.finished == 2
    backlog.done("a")
    assert backlog.finished == 3


def test_a_change_that_is_being_read_is_not_finished() -> None:
    backlog = Backlog()
    backlog.begin(7)
    backlog.add(9, "a")
    backlog.done("a")
    assert backlog.finished == 7


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=60))
def test_all_up_to_the_watermark_is_done(steps: list[tuple[bool, int]]) -> None:
    backlog, last, newest = Backlog(), 0, dict[str, int]()
    for is_new, number in steps:
        if is_new:
            last += 1
            newest[str(number)] = last
            backlog.add(last, str(number))
            backlog.read(last)
        else:
            newest.pop(str(number), None)
            backlog.done(str(number))
        assert backlog.finished == min(newest.values(), default=last + 1) - 1


def test_a_full_backlog_asks_for_more_when_half_of_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framecache.filling.backlog._MOST_UNFINISHED", 4)
    calls: list[int] = []
    backlog = Backlog(lambda: calls.append(1))
    for number in range(4):
        assert backlog.has_room()
        backlog.add(number, str(number))
    assert not backlog.has_room()
    backlog.done("0")
    assert (backlog.has_room(), calls) == (False, [])
    backlog.done("1")
    assert (backlog.has_room(), calls) == (True, [1])


def test_small_forms_hold_up_no_new_instances_until_there_are_very_many(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, number in {"_MOST_UNFINISHED": 4, "_MOST_IN_ALL": 10}.items():
        monkeypatch.setattr(f"framecache.filling.backlog.{name}", number)
    backlog = Backlog()
    for number in range(1, 10):
        backlog.add(number, str(number))
        backlog.read(number)
        backlog.kept(str(number))
        assert backlog.has_room()
    assert backlog.finished == 0  # what has no small form yet is begun with after a restart
    backlog.add(10, "10")
    backlog.kept("10")
    assert not backlog.has_room()
    for number in range(1, 6):
        backlog.done(str(number))
    assert backlog.has_room()


def test_what_was_kept_and_is_stored_again_counts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framecache.filling.backlog._MOST_UNFINISHED", 1)
    backlog = Backlog()
    backlog.add(1, "a")
    backlog.kept("a")
    backlog.kept("never heard of")
    assert backlog.has_room()
    backlog.add(2, "a")
    assert not backlog.has_room()
