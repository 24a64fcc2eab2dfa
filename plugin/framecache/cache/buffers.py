"""Reused memory for answers: a fresh 9 MB buffer per answer costs more than filling it."""

from __future__ import annotations

import threading
from collections import defaultdict
from functools import lru_cache

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
        self._lock = threading.Lock()
        self._returned = threading.Condition(self._lock)
        self._waiting = 0

    @property
    def leased(self) -> int:
        """Bytes that are out now."""
        return self._leased

    def lease(self, length: int, patience: float = 0.0) -> Lease:
        """A writable view of exactly `length` bytes with undefined content, for a `with` block.

        Entering it waits up to `patience` seconds for room, and raises Overloaded where there is none.
        """
        return Lease(self, length, patience)

    def take(self, size: int, patience: float) -> bytearray:
        """A buffer of one of the size classes. Raises Overloaded."""
        with self._lock:
            # One answer larger than the whole budget may go out alone: late is better than never.
            if self._leased and self._leased + size > self._limit and not self._wait_for_room(size, patience):
                raise Overloaded("too many bytes are being answered at once")
            self._leased += size
            free = self._free[size]
            if free:
                self._kept -= size
                return free.pop()
        try:
            return bytearray(size)
        except MemoryError:
            with self._lock:
                self._release(size)
            raise Overloaded("there is no memory for this answer") from None

    def _wait_for_room(self, size: int, patience: float) -> bool:
        self._waiting += 1
        try:
            return self._returned.wait_for(lambda: self._leased == 0 or self._leased + size <= self._limit, patience)
        finally:
            self._waiting -= 1

    def give_back(self, buffer: bytearray) -> None:
        """Take a buffer back, for the next who needs one of its size."""
        size = len(buffer)
        with self._lock:
            if self._kept + size <= self._keep:
                self._free[size].append(buffer)
                self._kept += size
            self._release(size)

    def _release(self, size: int) -> None:
        self._leased -= size
        if self._waiting:
            self._returned.notify_all()


class Lease:
    """A class and not a generator: this is entered with each request. `close` is for those who have no `with` block."""

    __slots__ = ("_buffer", "_length", "_patience", "_pool", "_view")

    def __init__(self, pool: BufferPool, length: int, patience: float) -> None:
        self._pool, self._length, self._patience = pool, length, patience

    def __enter__(self) -> memoryview:
        self._buffer = self._pool.take(_size_class(self._length), self._patience)
        self._view = memoryview(self._buffer)[: self._length]
        return self._view

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the view and give the memory back."""
        try:
            self._view.release()
        finally:
            self._pool.give_back(self._buffer)


@lru_cache(256)  # an instance's frames are as long as each other, or nearly
def _size_class(length: int) -> int:
    """The next size with four significant bits: at most an eighth is wasted, and frames of one series share it."""
    step = max(_SMALLEST_CLASS, 1 << max(0, length.bit_length() - 4))
    return max(step, -(-length // step) * step)
