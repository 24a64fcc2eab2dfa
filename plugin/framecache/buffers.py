"""Reused memory for answers: a fresh 9 MB buffer per answer costs more than filling it."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from framecache.errors import Overloaded

_SMALLEST_CLASS = 1 << 16


class BufferPool:
    """Buffers by size class, with one budget for all that are out.

    `limit` bounds the bytes leased at once, `keep` those that wait for reuse.
    """

    def __init__(self, limit: int, keep: int) -> None:
        self._limit, self._keep = limit, keep
        self._free: defaultdict[int, list[bytearray]] = defaultdict(list)
        self._leased = self._kept = 0
        self._returned = threading.Condition()

    @property
    def leased(self) -> int:
        """Bytes that are out now."""
        return self._leased

    @contextmanager
    def lease(self, length: int, patience: float = 0.0) -> Iterator[memoryview]:
        """A writable view of exactly `length` bytes with undefined content, until the block ends.

        Waits up to `patience` seconds for room. Raises Overloaded where there is none.
        """
        size = _size_class(length)
        buffer = self._take(size, patience)
        try:
            with memoryview(buffer) as whole, whole[:length] as view:
                yield view
        finally:
            self._give_back(size, buffer)

    def _take(self, size: int, patience: float) -> bytearray:
        with self._returned:
            # One answer larger than the whole budget may go out alone: late is better than never.
            room = self._returned.wait_for(lambda: self._leased == 0 or self._leased + size <= self._limit, patience)
            if not room:
                raise Overloaded("too many bytes are being answered at once")
            self._leased += size
            if self._free[size]:
                self._kept -= size
                return self._free[size].pop()
        try:
            return bytearray(size)
        except MemoryError:
            self._release(size)
            raise Overloaded("there is no memory for this answer") from None

    def _give_back(self, size: int, buffer: bytearray) -> None:
        with self._returned:
            if self._kept + size <= self._keep:
                self._free[size].append(buffer)
                self._kept += size
        self._release(size)

    def _release(self, size: int) -> None:
        with self._returned:
            self._leased -= size
            self._returned.notify_all()


def _size_class(length: int) -> int:
    """The next size with four significant bits: at most an eighth is wasted, and frames of one series share it."""
    step = max(_SMALLEST_CLASS, 1 << max(0, length.bit_length() - 4))
    return max(step, -(-length // step) * step)
