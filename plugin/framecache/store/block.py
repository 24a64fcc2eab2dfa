"""Blocks: consecutive frames of one form in one piece, which proves itself by checksums."""

from __future__ import annotations

import struct
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import xxhash

from framecache.errors import FrameCacheError

# xxh3, 64 bits: it finds damage; it does not stop an attacker who can write to the folder. No function around it, since
# it is called with each frame that is sent.
checksum: Callable[[bytes | memoryview], int] = xxhash.xxh3_64_intdigest


#: Raise it whenever the same stored file gives other frames or pictures than before. The cache's folder is named by
#: it and entity tags begin with it, so that neither the old cache nor a copy in a browser or a proxy is used again.
CONTENT_VERSION = 2
_MAGIC = b"FRMBLK01"
_HEAD = struct.Struct("<8sLL16s")
_ENTRY = struct.Struct("<LLQQQ")
_CHECKSUM = struct.Struct("<Q")


class BrokenBlock(FrameCacheError):
    """The block is not what was written: it is gone, cut short, changed, or another one."""


class BlockGone(BrokenBlock):
    """The block is not there: its instance was evicted, purged or deleted."""


@dataclass(frozen=True, slots=True)
class BlockFrame:
    """Where a frame lies in its block, in bytes, and its xxh3 checksum."""

    offset: int
    length: int
    checksum: int


def header_length(number_of_frames: int) -> int:
    """Bytes in front of the first frame."""
    return _HEAD.size + number_of_frames * _ENTRY.size + _CHECKSUM.size


def pack_header(key: str, frames: Mapping[int, memoryview]) -> bytes:
    """The header of the block that has `frames` (by frame number, in this order) under `key`."""
    parts = [_HEAD.pack(_MAGIC, len(frames), 0, _digest(key))]
    offset = header_length(len(frames))
    for number, content in frames.items():
        parts.append(_ENTRY.pack(number, 0, offset, len(content), checksum(content)))
        offset += len(content)
    header = b"".join(parts)
    return header + _CHECKSUM.pack(checksum(header))


def unpack_header(header: bytes, key: str, number_of_frames: int) -> dict[int, BlockFrame]:
    """The frames of a block by their numbers. Raises BrokenBlock unless it is `key`'s block and undamaged."""
    content = header[: -_CHECKSUM.size]
    if _CHECKSUM.unpack(header[-_CHECKSUM.size :])[0] != checksum(content):
        raise BrokenBlock("the block's header is damaged")
    magic, count, _, digest = _HEAD.unpack_from(content)
    if (magic, count, digest) != (_MAGIC, number_of_frames, _digest(key)):
        raise BrokenBlock("the block belongs to other frames")
    entries = _ENTRY.iter_unpack(content[_HEAD.size :])
    return {number: BlockFrame(offset, length, digest) for number, _, offset, length, digest in entries}


def _digest(key: str) -> bytes:
    return xxhash.xxh3_128_digest(key.encode())


class BlockContent(Hashable, Protocol):
    """The bytes of one block: a file, an object in a bucket, memory. Equal ones are the same block, written once."""

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill `target` with the bytes from `offset`. Raises BlockGone, BrokenBlock."""


@dataclass(frozen=True, slots=True)
class Block:
    """Frames `first` to `first + count - 1` of one version of an instance, in one representation.

    `key` names it in its store, `size` is the bytes of all of it. What is read is compared with its checksum.
    """

    key: str
    representation: str
    first: int
    count: int
    size: int
    content: BlockContent
    # Read once, and known from then on.
    _frames: dict[int, BlockFrame] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def frame_numbers(self) -> range:
        """The numbers of its frames."""
        return range(self.first, self.first + self.count)

    def frame_length(self, frame_number: int) -> int:
        """The bytes of one of its frames. Raises BrokenBlock."""
        return (self._frames.get(frame_number) or self._locate(frame_number)).length

    def read_into(self, frame_number: int, target: memoryview) -> None:
        """Fill `target`, which has the frame's length. Raises BrokenBlock where it is not what was written."""
        frame = self._frames.get(frame_number) or self._locate(frame_number)
        self.content.read_into(frame.offset, target)
        if checksum(target) != frame.checksum:
            raise BrokenBlock("the frame is damaged")

    def verify(self) -> None:
        """Read all of it anew, the header as well. Raises BrokenBlock where it is not what was written."""
        anew = replace(self)
        for number in self.frame_numbers:
            anew.read_into(number, memoryview(bytearray(anew.frame_length(number))))

    def _locate(self, frame_number: int) -> BlockFrame:
        header = bytearray(header_length(self.count))
        self.content.read_into(0, memoryview(header))
        self._frames.update(unpack_header(bytes(header), self.key, self.count))
        try:
            return self._frames[frame_number]
        except KeyError:
            raise BrokenBlock("the block has other frames than its row says") from None
