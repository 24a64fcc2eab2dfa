"""The fragments of encapsulated pixel data, item by item (PS3.5 section A.4)."""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass

from framecache.dicom.byte_reader import ByteReader
from framecache.dicom.frame_table import Extent
from framecache.errors import BrokenPixelData

# A whole slide has about 100,000 tiles; a crafted file could have an empty fragment in every 8 bytes.
_MOST_FRAGMENTS = 2_000_000
_ITEM_HEADER = struct.Struct("<LL")
_ITEM, _SEQUENCE_END = 0xE000FFFE, 0xE0DDFFFE  # as one little endian number


@dataclass(frozen=True, slots=True)
class Fragments:
    """The positions of the fragments, without their item headers.

    `end` is where the next item would begin. Without the delimiter behind them the last one is not to be trusted:
    the file was cut short, or the length of that item is wrong.
    """

    offsets: array[int]
    lengths: array[int]
    end: int
    are_delimited: bool

    def __len__(self) -> int:
        return len(self.offsets)


def item_at(reader: ByteReader, position: int) -> Extent | None:
    """The value of the item whose header begins at `position`; None if there is no complete item."""
    kind, length = _header(reader, position)
    value = Extent(position + _ITEM_HEADER.size, length)
    return value if kind == _ITEM and value.offset + length <= reader.size else None


def is_end(reader: ByteReader, position: int) -> bool:
    """Whether the Sequence Delimitation Item is at `position`."""
    return _header(reader, position)[0] == _SEQUENCE_END


def _header(reader: ByteReader, position: int) -> tuple[int, int]:
    is_inside = position + _ITEM_HEADER.size <= reader.size  # a table of 64 bits may point where no file can reach
    content = reader.read_at(position, _ITEM_HEADER.size) if is_inside else b""
    if len(content) < _ITEM_HEADER.size:
        return 0, 0
    kind, length = _ITEM_HEADER.unpack(content)
    return kind, length


def read_fragments(reader: ByteReader, position: int) -> Fragments:
    """All of them, the first of which has its header at `position`. Raises BrokenPixelData for far too many."""
    offsets, lengths = array("Q"), array("Q")
    while item := item_at(reader, position):
        if len(offsets) >= _MOST_FRAGMENTS:
            raise BrokenPixelData("the pixel data has too many fragments")
        offsets.append(item.offset)
        lengths.append(item.length)
        position = item.offset + item.length
    return Fragments(offsets, lengths, position, is_end(reader, position))
