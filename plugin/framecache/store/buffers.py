"""Reused memory for answers: a fresh 9 MB buffer per answer costs more than filling it."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from framecache.errors import Overloaded
from framecache.ports import Clock

_SMALLEST_CLASS = 1 << 16


class BufferPool:
    """Buffers by size class, with one budget for all that are leased.

    `limit` bounds the bytes leased at once, `keep` those that are free for reuse. A free buffer is dropped after
    `idle_seconds`, or earlier to make room for one that is given back. `allocate` makes one of so many bytes.
    """

    def __init__(
        self,
        limit: int,
        keep: int,
        idle_seconds: float = 10.0,
        clock: Clock = time,
        *,
        allocate: Callable[[int], bytearray] = bytearray,
    ) -> None:
        self._allocate = allocate
        self._limit, self._keep, self._idle_seconds, self._clock = limit, keep, idle_seconds, clock
        self._free: defaultdict[int, deque[_Kept]] = defaultdict(deque)  # each the oldest first
        self._leased = self._kept = 0
        self._lock = threading.Lock()
        self._returned = threading.Condition(self._lock)
        self._waiting = 0

    @property
    def leased(self) -> int:
        """Bytes leased now."""
        return self._leased

    @property
    def kept(self) -> int:
        """Bytes free for reuse."""
        return self._kept

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
            if size in self._free:
                return self._pop(size, deque.pop)
        try:
            return self._allocate(size)
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
        """Return a buffer, for the next lease of its size."""
        size = len(buffer)
        with self._lock:
            if size <= self._keep:
                while self._kept + size > self._keep:
                    self._drop_oldest()
                self._free[size].append(_Kept(self._clock.monotonic(), buffer))
                self._kept += size
            self._release(size)

    def trim(self) -> None:
        """Drop the buffers that were not used for a while."""
        with self._lock:
            idle_since = self._clock.monotonic() - self._idle_seconds
            while self._free and min(free[0].since for free in self._free.values()) <= idle_since:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._pop(min(self._free, key=lambda size: self._free[size][0].since), deque.popleft)

    def _pop(self, size: int, end: Callable[[deque[_Kept]], _Kept]) -> bytearray:
        """A free buffer of that class, which has one: empty classes are removed."""
        free = self._free[size]
        kept = end(free)
        if not free:
            del self._free[size]
        self._kept -= size
        return kept.buffer

    def _release(self, size: int) -> None:
        self._leased -= size
        if self._waiting:
            self._returned.notify_all()


class _Kept(NamedTuple):
    """A free buffer, and since when it is free (monotonic seconds)."""

    since: float
    buffer: bytearray


class Lease:
    """A leased buffer, for a `with` block; others call `close`. No generator, since each request enters one."""

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
    """The next size with four significant bits: wastes an eighth at most, and frames of one series share a class."""
    step = max(_SMALLEST_CLASS, 1 << max(0, length.bit_length() - 4))
    return max(step, -(-length // step) * step)
