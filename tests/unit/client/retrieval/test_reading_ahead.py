"""Parts are begun before they are asked for, and no more of them are in memory than fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from weakref import WeakSet

import pytest
from framecache.client.retrieval.reading_ahead import ReadingAhead

LARGE, MEGABYTE = 32 << 20, 1 << 20


class Parts:
    """Parts of these lengths, each its own index; `begun` are those that were begun, in that order."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self.begun: list[int] = []
        self.ahead = ReadingAhead(lengths, self._begin)

    def _begin(self, index: int) -> Callable[[], int]:
        self.begun.append(index)
        return lambda: index

    def read(self, *indices: int) -> list[int]:
        """The parts asked for; they are what they should be."""
        assert [self.ahead.part(index) for index in indices] == list(indices)
        return self.begun


@pytest.mark.parametrize(
    ("lengths", "asked", "begun"),
    [
        ([1], [0, 0], [0]),
        ([MEGABYTE] * 3, [0], [0, 1, 2]),
        ([MEGABYTE] * 3, [2, 0, 1, 2], [2, 0, 1]),
        ([LARGE] * 9, [0], [0, 1, 2, 3]),
        ([LARGE] * 9, [0, 1, 2], [0, 1, 2, 3, 4]),
        ([LARGE] * 9, [8, 0, 7, 0], [8, 0, 1, 2, 7, 0, 1]),
        ([8 * LARGE, 1], [0, 1], [0, 1]),
        ([0] * 20, [0], list(range(16))),
    ],
    ids=["one", "all", "from the last", "as many as fit", "as one is passed", "back", "a too large one", "empty ones"],
)
def test_parts_are_begun_as_far_as_they_fit(lengths: list[int], asked: list[int], begun: list[int]) -> None:
    assert Parts(lengths).read(*asked) == begun


def test_each_part_of_many_is_read_once_in_order() -> None:
    assert Parts([LARGE] * 40).read(*range(40)) == list(range(40))


def test_no_more_of_many_are_in_memory_than_fit_in_whatever_order_they_are_asked_for() -> None:
    class Part:
        pass

    alive: WeakSet[Part] = WeakSet()

    def begin(_: int) -> Callable[[], Part]:
        part = Part()
        alive.add(part)
        return lambda: part

    orders: list[Iterable[int]] = [range(40), range(39, -1, -1), [7 * number % 40 for number in range(40)]]
    for order in orders:
        ahead = ReadingAhead([LARGE] * 40, begin)
        assert max((ahead.part(index), len(alive))[1] for index in order) <= 5


def test_a_failure_is_that_of_its_part() -> None:
    def begin(index: int) -> Callable[[], int]:
        return lambda: 1 // index

    ahead = ReadingAhead([1, 1], begin)
    with pytest.raises(ZeroDivisionError):
        ahead.part(0)
    assert ahead.part(1) == 1
