"""The bytes of a block: one large frame, or some small ones, with what proves whose they are.

Layout, little endian: magic, the number of frames, a digest of the key; for each frame its number, offset,
length and xxh3 checksum; the checksum of all that; then the frames. A block names its frames itself, so that
a wrong row, a moved file or a flipped bit is seen and never becomes a wrong picture.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

import xxhash

from framecache.errors import FrameCacheError
from framecache.store.checksum import checksum

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
