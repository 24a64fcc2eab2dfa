"""Reads parts of a stored instance, from a file or from memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from framecache.closing import Closing
from framecache.errors import InstanceGone, SourceError


class Fills(Protocol):
    """Fills memory with bytes of one stored instance."""

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill `target` from `offset`. Raises SourceError if the instance is too short."""


class ByteReader(Fills, Protocol):
    """Random access to the bytes of one stored instance."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end."""

    def close(self) -> None:
        """Release the reader's file or memory."""


class FileReader(Closing):
    """A stored file, with reads by position.

    No mmap: a truncated or unreadable file raises SIGBUS, which kills the whole server.
    """

    def __init__(self, path: Path | str, *, whole: bool = True) -> None:
        """Open a file. With `whole`, most of it will be read, and the kernel may read ahead.

        Raises InstanceGone, SourceError.
        """
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise InstanceGone("the stored file is not there") from error
        except OSError as error:
            raise SourceError(f"the stored file cannot be opened: {error.strerror}") from error
        self._size: int | None = None
        if not whole:
            # Read-ahead would read nearly three times the bytes of one frame from the disk.
            os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_RANDOM)

    @property
    def size(self) -> int:
        if self._size is None:  # not needed to read a frame at a known position
            self._size = os.fstat(self._descriptor).st_size
        return self._size

    def status(self) -> os.stat_result:
        """Of the open file, which may have another name by now, or none."""
        return os.fstat(self._descriptor)

    def expect(self, offset: int, length: int) -> None:
        """Let the kernel fetch these bytes at once: a long read that was not announced is fetched piece by piece."""
        os.posix_fadvise(self._descriptor, offset, length, os.POSIX_FADV_WILLNEED)

    def read_at(self, offset: int, length: int) -> bytes:
        try:
            return os.pread(self._descriptor, length, offset)
        except OSError as error:
            raise SourceError(f"the stored file cannot be read: {error.strerror}") from error

    def read_into(self, offset: int, target: memoryview) -> None:
        self.scatter(offset, [target])

    def scatter(self, offset: int, targets: Sequence[memoryview]) -> None:
        """Fill at most 1024 `targets`, one after the other, from `offset`. Raises SourceError."""
        while any(targets):
            try:
                count = os.preadv(self._descriptor, targets, offset)
            except OSError as error:
                raise SourceError(f"the stored file cannot be read: {error.strerror}") from error
            if count == 0:
                raise SourceError("the stored file ends before its pixel data")
            targets, offset = _rest(targets, count), offset + count

    def close(self) -> None:
        os.close(self._descriptor)


def _rest(targets: Sequence[memoryview], count: int) -> Sequence[memoryview]:
    """The unfilled targets after `count` bytes: the kernel reads at most 2 GiB at once."""
    for index, target in enumerate(targets):
        if count < len(target):
            return [target[count:], *targets[index + 1 :]]
        count -= len(target)
    return ()


class MemoryReader:
    """An instance as bytes from Orthanc, if its storage is not a folder."""

    def __init__(self, content: bytes | bytearray) -> None:
        self._content = memoryview(content)
        self.size = len(content)

    def read_at(self, offset: int, length: int) -> bytes:
        return bytes(self._content[offset : offset + length])

    def read_into(self, offset: int, target: memoryview) -> None:
        source = self._content[offset : offset + len(target)]
        if len(source) != len(target):
            raise SourceError("the stored file ends before its pixel data")
        target[:] = source

    def close(self) -> None:
        self._content.release()


def read_in_chunks(reader: ByteReader, offset: int, length: int, buffer: memoryview) -> Iterator[memoryview]:
    """`length` bytes from `offset`: of any length, they take no more memory than `buffer`. Raises SourceError."""
    end = offset + length
    for position in range(offset, end, len(buffer)):
        with buffer[: min(len(buffer), end - position)] as chunk:
            reader.read_into(position, chunk)
            yield chunk
