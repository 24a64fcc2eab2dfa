"""Parts that are read one after the other, each begun before it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

_Part = TypeVar("_Part")
_MOST_BYTES, _MOST_PARTS = 128 << 20, 16  # that are under way, or wait to be read


class ReadingAhead(Generic[_Part]):
    """While one part is used, the next ones come. For one thread.

    A part that was passed is forgotten, so that memory does not grow with their number, unless all of them fit; asked
    for again, it is read again.
    """

    def __init__(self, lengths: Sequence[int], begin: Callable[[int], Callable[[], _Part]]) -> None:
        """Parts of these lengths, in bytes; `begin` starts one, by its index, and what it returns waits for it."""
        self._lengths, self._begin = lengths, begin
        self._begun: dict[int, Callable[[], _Part]] = {}
        self._all_fit = sum(lengths) <= _MOST_BYTES and len(lengths) <= _MOST_PARTS

    def part(self, index: int) -> _Part:
        """The part of this index. Raises what reading it raises."""
        if not self._all_fit:
            self._begun = {one: wait for one, wait in self._begun.items() if one >= index - 1}
            if index not in self._begun and not self._has_room(index):  # parts are asked for from the last to the first
                self._begun.clear()
        for one in range(index, len(self._lengths)):
            if one in self._begun:
                continue
            if one > index and not self._has_room(one):
                break
            self._begun[one] = self._begin(one)
        return self._begun[index]()

    def _has_room(self, index: int) -> bool:
        held = sum(self._lengths[one] for one in self._begun)
        return len(self._begun) < _MOST_PARTS and held + self._lengths[index] <= _MOST_BYTES
