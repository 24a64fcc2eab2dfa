"""Memory for objects that are being written: so many bytes at once, used again and again."""

from __future__ import annotations

import mmap
import threading

_UNIT = 1 << 16


class Buffers:
    """Begin on a page, as what is written past the page cache has to. More bytes than `most` are lent only alone.

    With `reuse`, memory that was given back is lent again: the kernel clears each new page. Without, it is whoever
    still sends it that ends it.
    """

    def __init__(self, most: int, *, reuse: bool) -> None:
        self._most, self._reuse, self._taken, self._changed = most, reuse, 0, threading.Condition()
        self._free: list[mmap.mmap] = []

    def take(self, size: int) -> memoryview:
        """`size` bytes of any content; waits for others to give theirs back."""
        with self._changed:
            self._changed.wait_for(lambda: self._taken == 0 or self._taken + size <= self._most)
            self._taken += size
            memory = self._fitting(size)
        return memoryview(memory)[:size]

    def give_back(self, buffer: memoryview) -> None:
        """End the use of what was taken."""
        size, memory = len(buffer), buffer.obj
        with self._changed:
            self._taken -= size
            if self._reuse and isinstance(memory, mmap.mmap):
                self._free.append(memory)
            self._changed.notify_all()

    def _fitting(self, size: int) -> mmap.mmap:
        for index, memory in enumerate(self._free):
            if size <= len(memory) <= size + max(size, _UNIT):
                return self._free.pop(index)
        while self._free and self._taken + sum(map(len, self._free)) > self._most:
            del self._free[0]
        return mmap.mmap(-1, (size // _UNIT + 1) * _UNIT)
