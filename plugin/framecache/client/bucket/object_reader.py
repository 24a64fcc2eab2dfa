"""Reads an object of a bucket by position: what is wanted at once, everything else block by block."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from framecache.client.retrieval.reading_ahead import ReadingAhead
from framecache.dicom.frame_table import Extent
from framecache.errors import InstanceGone, SourceError
from framecache.tree.errors import Missing, Replaced
from framecache.tree.objects import Objects

_BLOCK, _WIDEST_GAP, _LARGEST_RANGE = 1 << 16, 1 << 16, 16 << 20  # bytes
_RANGES_AT_ONCE, _MOST_BLOCKS = 8, 16


class ObjectReader:
    """One version of an object. For one thread."""

    def __init__(self, objects: Objects, key: str, size: int, e_tag: str, wanted: Sequence[Extent] | None) -> None:
        """`wanted` are fetched from the first read on, as they lie; all of the object if None."""
        self._objects, self._key, self.size, self._e_tag = objects, key, size, e_tag
        self._runs = _joined([Extent(0, size)] if wanted is None else wanted)
        self._starts = [run.offset for run in self._runs]
        self._pool = ThreadPoolExecutor(_RANGES_AT_ONCE, "framecache-bucket") if len(self._runs) > 1 else None
        self._ahead = ReadingAhead([run.length for run in self._runs], self._begin)
        self._blocks: deque[tuple[Extent, bytes]] = deque(maxlen=_MOST_BLOCKS)

    def read_at(self, offset: int, length: int) -> bytes:
        pieces = list(self._pieces(offset, max(0, min(length, self.size - offset))))
        whole = pieces[0].obj if len(pieces) == 1 else None
        return whole if isinstance(whole, bytes) and len(whole) == len(pieces[0]) else b"".join(pieces)

    def read_into(self, offset: int, target: memoryview) -> None:
        if offset + len(target) > self.size:
            raise SourceError("the object ends before")
        position = 0
        for piece in self._pieces(offset, len(target)):
            target[position : position + len(piece)] = piece
            position += len(piece)

    def close(self) -> None:
        """Forget what was read, and what was begun."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._runs, self._starts = [], []
        self._blocks.clear()
        self._ahead = ReadingAhead([], self._begin)

    def _pieces(self, offset: int, length: int) -> Iterator[memoryview]:
        while length > 0:
            extent, content = self._at(offset, length)
            within = offset - extent.offset
            piece = memoryview(content)[within : within + length]
            yield piece
            offset, length = offset + len(piece), length - len(piece)

    def _at(self, offset: int, length: int) -> tuple[Extent, bytes]:
        """The wanted run with the byte at `offset`, else a block that begins there."""
        index = bisect_right(self._starts, offset) - 1
        if index >= 0 and offset < self._starts[index] + self._runs[index].length:
            return self._runs[index], self._ahead.part(index)
        for extent, content in self._blocks:
            if extent.offset <= offset < extent.offset + extent.length:
                return extent, content
        extent = Extent(offset, min(max(length, _BLOCK), self.size - offset))
        self._blocks.append((extent, self._range(extent)))
        return self._blocks[-1]

    def _begin(self, index: int) -> Callable[[], bytes]:
        if self._pool is not None:
            return self._pool.submit(self._range, self._runs[index]).result
        content = self._range(self._runs[index])
        return lambda: content

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
