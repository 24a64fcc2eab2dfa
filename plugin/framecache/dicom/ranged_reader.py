"""Reads a stored instance that lies elsewhere, where each read is a request: few of them, and never the whole."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from framecache.dicom.byte_reader import ByteReader
from framecache.errors import SourceError

_Read = TypeVar("_Read")

#: The bytes from `start` to before `end`. Raises SourceError.
Fetch = Callable[[int, int], memoryview]

# A request costs as much as some 100 kB: so far is read on behind an item header or a short frame, and farther and
# farther where one read follows the other.
AHEAD, _MOST_AHEAD = 64 << 10, 1 << 20
_WINDOWS = 4


class OutOfReach(SourceError):
    """What lies elsewhere cannot be had there now, or not in this form."""


class RangedReader:
    """A ByteReader by ranges. It holds the last few: `ahead` bytes each, more where reads follow each other."""

    def __init__(self, fetch: Fetch, size: int, *, ahead: int = AHEAD) -> None:
        """`size` is the length of the instance in bytes, which `fetch` is never asked beyond."""
        self._fetch, self._ahead, self.size = fetch, ahead, size
        self._windows: list[tuple[int, memoryview]] = []

    def read_at(self, offset: int, length: int) -> bytes:
        length = min(length, self.size - offset)
        return bytes(self._range(offset, length)) if length > 0 else b""

    def read_into(self, offset: int, target: memoryview) -> None:
        if offset + len(target) > self.size:
            raise SourceError("the stored file ends before its pixel data")
        target[:] = self._range(offset, len(target))

    def close(self) -> None:
        self._windows.clear()

    def _range(self, offset: int, length: int) -> memoryview:
        for start, content in self._windows:
            if start <= offset and offset + length <= start + len(content):
                return content[offset - start : offset - start + length]
        if length > max(self._ahead, _MOST_AHEAD):  # a frame, which is not to be held here as well
            return self._whole(offset, length)
        content = self._whole(offset, min(max(length, self._next_ahead(offset)), self.size - offset))
        self._windows = [*self._windows[1 - _WINDOWS :], (offset, content)]
        return content[:length]

    def _next_ahead(self, offset: int) -> int:
        start, last = self._windows[-1] if self._windows else (0, memoryview(b""))
        is_next = last and 0 <= offset - start <= len(last) + self._ahead
        self._ahead = max(self._ahead, min(2 * self._ahead, _MOST_AHEAD) if is_next else 0)
        return self._ahead

    def _whole(self, offset: int, length: int) -> memoryview:
        content = self._fetch(offset, offset + length)
        if len(content) != length:
            raise OutOfReach("a range of the stored file came incomplete")
        return content


class FallbackReader:
    """A ByteReader that goes over to another one, for good, as soon as the first is out of reach."""

    def __init__(self, reader: ByteReader, instead: Callable[[OutOfReach], ByteReader]) -> None:
        """`instead` returns a reader of the same bytes; what it raises is raised to whoever reads."""
        self._reader, self._instead, self._changing = reader, instead, threading.Lock()
        self.size = reader.size

    def read_at(self, offset: int, length: int) -> bytes:
        return self._read(lambda reader: reader.read_at(offset, length))

    def read_into(self, offset: int, target: memoryview) -> None:
        self._read(lambda reader: reader.read_into(offset, target))

    def close(self) -> None:
        self._reader.close()

    def _read(self, read: Callable[[ByteReader], _Read]) -> _Read:
        """On several threads: the one that fails second must not close what the first has opened instead."""
        reader = self._reader
        try:
            return read(reader)
        except OutOfReach as error:
            with self._changing:
                if self._reader is reader:
                    reader.close()
                    self._reader = self._instead(error)
            return read(self._reader)
