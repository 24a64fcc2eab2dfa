"""What an RLE or JPEG 2000 frame says of itself: read before it is decoded, so that a bomb is never unpacked."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from framecache.codecs.process.errors import Undecodable
from framecache.codecs.process.pixels import PixelDescription

_SHOWN = (1, 3)


@dataclass(frozen=True, slots=True)
class Geometry:
    """Of a frame as its code stream says it; `precision` is of a sample, in bits."""

    rows: int
    columns: int
    components: int
    precision: int = field(default=0, compare=False)

    def check(self, description: PixelDescription) -> None:
        """Raises Undecodable where the data set says otherwise."""
        expected = Geometry(description.rows, description.columns, description.samples_per_pixel)
        if self != expected:
            raise Undecodable(f"the frame has {self}, its header says {expected}")

    def fits(self, description: PixelDescription) -> bool:
        """Whether it is no larger than the data set says, and grey or of three colours."""
        is_no_larger = 0 < self.rows <= description.rows and 0 < self.columns <= description.columns
        return is_no_larger and self.components in _SHOWN

    def __str__(self) -> str:
        return f"{self.rows} rows of {self.columns} pixels of {self.components} samples"


_START_OF_CODESTREAM = b"\xff\x4f\xff\x51"
_END_OF_CODE_STREAM = 0xFFD9
_TILE_PART, _TILE_PART_HEADER = 0xFF90, struct.Struct(">HHHL")
_SEGMENT, _MARKER_CODE = struct.Struct(">HH"), struct.Struct(">H")
_RLE_HEADER = struct.Struct("<16L")
_SIZ = struct.Struct(">HHLLLLLLLLHB")
_PRECISION = 0x7F  # of Ssiz; its highest bit is the sign
_MOST_TILES = 0xFFFF


def check_rle(frame: bytes, description: PixelDescription) -> None:
    """Raises Undecodable where the RLE header (PS3.5 section G.5) is not that of the description's segments.

    Offsets that point elsewhere would crash the decoder.
    """
    if len(frame) < _RLE_HEADER.size:
        raise Undecodable("the frame ends within its RLE header")
    number, *table = _RLE_HEADER.unpack_from(frame)
    if number != description.samples_per_pixel * description.dtype.itemsize or number > len(table):
        raise Undecodable(f"the frame has {number} RLE segments")
    ends = [*table[1:number], len(frame)]
    if table[0] != _RLE_HEADER.size or any(start >= end for start, end in zip(table, ends, strict=False)):
        raise Undecodable("the RLE segments do not follow each other")


def code_stream(frame: bytes) -> bytes:
    """A JPEG 2000 frame without the boxes of a file, which PS3.5 annex A.4.4 forbids and some writers leave."""
    start = frame.find(_START_OF_CODESTREAM, 0, 1 << 16)
    if start < 0:
        raise Undecodable("the frame does not begin as a JPEG 2000 code stream does")
    return frame[start:]


def of_jpeg_2000(frame: bytes) -> Geometry:
    """By the SIZ marker of a code stream (ISO/IEC 15444-1 A.5.1). Raises Undecodable.

    The grid of tiles is looked at too: OpenJPH may work for ever on one that begins behind the image.
    """
    try:
        _, _, *axes, components, depth = _SIZ.unpack_from(frame, len(_START_OF_CODESTREAM))
    except struct.error:
        raise Undecodable("the code stream ends before its size") from None
    if not 0 < _tiles(*axes[0::2]) * _tiles(*axes[1::2]) <= _MOST_TILES:
        raise Undecodable("the tiles do not cover the image")
    right, bottom, left, top, *_ = axes
    return Geometry(bottom - top, right - left, components, (depth & _PRECISION) + 1)


def _tiles(end: int, start: int, size: int, first: int) -> int:
    """How many tiles lie along an axis (ISO/IEC 15444-1 B.3), none where the grid is not a legal one."""
    if not first <= start < min(end, first + size):
        return 0
    return -((first - end) // size)


def check_tile_parts(stream: bytes) -> None:
    """Raises Undecodable where the tile-parts do not end with the end of the code stream (ISO/IEC 15444-1 A.4).

    OpenJPEG and OpenJPH would make up what is missing and say nothing.
    """
    position = len(_START_OF_CODESTREAM) - 2
    try:
        while True:
            marker, length = _SEGMENT.unpack_from(stream, position)
            if marker == _TILE_PART:
                break
            position += 2 + length
        while marker == _TILE_PART:
            *_, length = _TILE_PART_HEADER.unpack_from(stream, position)
            if length == 0:  # the last one, which goes on until the end; no data has the marker in it (B.10.1)
                _check_end(stream[position:])
                return
            position += max(length, _TILE_PART_HEADER.size)
            (marker,) = _MARKER_CODE.unpack_from(stream, position)
    except struct.error:
        raise Undecodable("the code stream is cut short") from None
    if marker != _END_OF_CODE_STREAM:
        raise Undecodable("the code stream does not end where it says")


def _check_end(tile_part: bytes) -> None:
    if _MARKER_CODE.pack(_END_OF_CODE_STREAM) not in tile_part:
        raise Undecodable("the code stream is cut short")
