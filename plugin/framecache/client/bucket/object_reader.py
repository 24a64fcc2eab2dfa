"""Reads an object of a bucket by position: what is wanted at once, everything else block by block."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from framecache.dicom.frame_table import Extent
from framecache.errors import InstanceGone, SourceError
from framecache.tree.errors import Missing, Replaced
from framecache.tree.objects import Objects

_BLOCK, _WIDEST_GAP, _LARGEST_RANGE = 1 << 16, 1 << 16, 16 << 20  # bytes
_RANGES_AT_ONCE = 8


class ObjectReader:
    """One version of an object. For one thread."""

    def __init__(self, objects: Objects, key: str, size: int, e_tag: str, wanted: Sequence[Extent] | None) -> None:
        """`wanted` are fetched when the first byte is read; all of the object if None."""
        self._objects, self._key, self.size, self._e_tag = objects, key, size, e_tag
        self._wanted = [Extent(0, size)] if wanted is None else list(wanted)
        self._starts: list[int] = []
        self._blocks: list[memoryview] = []

    def read_at(self, offset: int, length: int) -> bytes:
        target = bytearray(max(0, min(length, self.size - offset)))
        self.read_into(offset, memoryview(target))
        return bytes(target)

    def read_into(self, offset: int, target: memoryview) -> None:
        if offset + len(target) > self.size:
            raise SourceError("the object ends before")
        self._fetch(self._wanted)
        self._wanted, position = [], 0
        while position < len(target):
            source = self._at(offset + position, len(target) - position)[: len(target) - position]
            target[position : position + len(source)] = source
            position += len(source)

    def close(self) -> None:
        """Forget what was read."""
        self._starts, self._blocks = [], []

    def _at(self, offset: int, length: int) -> memoryview:
        """Bytes from `offset`, which are fetched with those behind them if they are not there."""
        index = bisect_right(self._starts, offset) - 1
        if index >= 0 and offset < self._starts[index] + len(self._blocks[index]):
            return self._blocks[index][offset - self._starts[index] :]
        self._fetch([Extent(offset, min(max(length, _BLOCK), self.size - offset))])
        return self._at(offset, length)

    def _fetch(self, wanted: Sequence[Extent]) -> None:
        runs = _joined(wanted)
        if len(runs) < 2:  # noqa: PLR2004 - one needs no threads
            fetched = [self._range(run) for run in runs]
        else:
            with ThreadPoolExecutor(min(len(runs), _RANGES_AT_ONCE), "framecache-bucket") as pool:
                fetched = list(pool.map(self._range, runs))
        for run, content in zip(runs, fetched, strict=True):
            index = bisect_right(self._starts, run.offset)
            self._starts.insert(index, run.offset)
            self._blocks.insert(index, memoryview(content))

    def _range(self, run: Extent) -> bytes:
        try:
            content = self._objects.read_range_of(self._key, run.offset, run.length, self._e_tag)
        except (Missing, Replaced) as error:
            raise InstanceGone("the object was removed or replaced after it was indexed") from error
        if len(content) != run.length:
            raise SourceError("the object ends before")
        return content


def _joined(extents: Sequence[Extent]) -> list[Extent]:
    """Near ones as one range, and long ones as several, so that they come at once."""
    runs: list[list[int]] = []
    for extent in sorted(extents, key=lambda one: one.offset):
        end = extent.offset + extent.length
        if runs and extent.offset - runs[-1][1] <= _WIDEST_GAP:
            runs[-1][1] = max(runs[-1][1], end)
        elif extent.length:
            runs.append([extent.offset, end])
    return [
        Extent(start, min(_LARGEST_RANGE, end - start))
        for first, end in runs
        for start in range(first, end, _LARGEST_RANGE)
    ]
