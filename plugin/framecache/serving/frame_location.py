"""Where the bytes of one frame of an answer lie: in the cache, in the stored file, or in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from framecache.dicom.frame_table import Extent, read_stored_frame
from framecache.dicom.transfer_syntax import stored_representation
from framecache.errors import FrameCacheError
from framecache.instances.entry import Entry
from framecache.store.block import Block, BrokenBlock


class FrameLocation(Protocol):
    """One frame of an answer."""

    @property
    def number(self) -> int:
        """The frame number, from 1."""

    @property
    def length(self) -> int:
        """Bytes."""

    @property
    def is_hit(self) -> bool:
        """Whether it is in the cache."""

    @property
    def is_made(self) -> bool:
        """Whether a codec made it for this answer."""

    def read_into(self, target: memoryview) -> None:
        """Fill `target`, which has its length. Raises DamagedFrame, SourceError."""


class DamagedFrame(FrameCacheError):
    """A cached frame is not what was written, or is gone; its block has been dropped, so it is found elsewhere."""

    status = 503
    retry_after = 1


def known_location(entry: Entry, form_key: str, number: int) -> FrameLocation | None:
    """Where frame `number` lies, if memory knows it: in the cache, or by the index in the stored file."""
    block = entry.blocks.get((form_key, number))
    if block is not None:
        try:
            return _CachedFrame(number, block.frame_length(number), block, entry)
        except BrokenBlock as error:
            entry.drop(block, error)
    return _indexed(entry, form_key, number) if entry.index is not None else None


def _indexed(entry: Entry, form_key: str, number: int) -> FrameLocation | None:
    index, path = entry.index, entry.stored_path
    if index is None or path is None or number > index.number_of_frames or not is_stored(entry, form_key):
        return None
    return _IndexedFrame(number, index.extents(number - 1), path)


def is_stored(entry: Entry, form_key: str) -> bool:
    """Whether this is the form that the frames lie in the stored file in."""
    stored = stored_representation(entry.instance.transfer_syntax_uid)
    return stored is not None and form_key == stored.transfer_syntax_uid


@dataclass(slots=True)  # not frozen: that takes thrice as long to make, and one is made for each hit
class _CachedFrame:
    number: int
    length: int
    block: Block
    entry: Entry
    is_hit: ClassVar[bool] = True
    is_made: ClassVar[bool] = False

    def read_into(self, target: memoryview) -> None:
        try:
            self.block.read_into(self.number, target)
        except BrokenBlock as error:
            self.entry.drop(self.block, error)
            raise DamagedFrame(str(error)) from error


@dataclass(frozen=True, slots=True)
class _IndexedFrame:
    """A frame whose place in the stored file is known."""

    number: int
    extents: tuple[Extent, ...]
    path: str
    is_hit: ClassVar[bool] = True
    is_made: ClassVar[bool] = False

    @property
    def length(self) -> int:
        return sum(extent.length for extent in self.extents)

    def read_into(self, target: memoryview) -> None:
        read_stored_frame(self.path, self.extents, target)


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """A frame of the stored file; those who ask for it at once share what `read` reads."""

    number: int
    length: int
    read: Callable[[memoryview], None]
    is_hit: ClassVar[bool] = False
    is_made: ClassVar[bool] = False

    def read_into(self, target: memoryview) -> None:
        self.read(target)


@dataclass(frozen=True, slots=True)
class MadeFrame:
    """A frame that a codec made for this answer."""

    number: int
    content: bytes
    is_hit: ClassVar[bool] = False
    is_made: ClassVar[bool] = True

    @property
    def length(self) -> int:
        return len(self.content)

    def read_into(self, target: memoryview) -> None:
        target[:] = self.content


class FailedFrame:
    """One of several frames, which is broken: in its place the answer says why, in JSON as any error of ours."""

    is_hit = True  # there is nothing of it that the cache could have
    is_made = False
    media_type = "application/json"

    def __init__(self, number: int, error: FrameCacheError) -> None:
        self.number, self.error = number, error
        self._content = json.dumps({"HttpStatus": error.status, "Message": str(error)}).encode()

    @property
    def length(self) -> int:
        return len(self._content)

    def read_into(self, target: memoryview) -> None:
        target[:] = self._content
