"""What a compressed frame says of itself: read before it is decoded, so that a bomb is never unpacked."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from framecache.codec_process.errors import Undecodable
from framecache.codec_process.pixels import PixelDescription

_START_OF_IMAGE, _END_OF_IMAGE = b"\xff\xd8", b"\xff\xd9"
_START_OF_CODESTREAM = b"\xff\x4f\xff\x51"
_FRAME_HEADER = struct.Struct(">HBHHB")
_SIZ = struct.Struct(">HHLLLLLLLLH")
# ISO/IEC 10918-1 table B.1 and ISO/IEC 14495-1 C.1.1: start of frame; C4, C8 and CC are something else.
_STARTS_OF_FRAME = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_MARKER = 0xFF
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_START_OF_SCAN = 0xDA
# Fragments are padded to an even length, by some with more than one byte.
_LONGEST_PADDING = 64


@dataclass(frozen=True, slots=True)
class Geometry:
    """Of a frame as its code stream says it."""

    rows: int
    columns: int
    components: int

    def check(self, description: PixelDescription) -> None:
        """Raises Undecodable where the data set says otherwise."""
        expected = Geometry(description.rows, description.columns, description.samples_per_pixel)
        if self != expected:
            raise Undecodable(f"the frame has {self}, its header says {expected}")

    def __str__(self) -> str:
        return f"{self.rows} rows of {self.columns} pixels of {self.components} samples"


def of_jpeg(frame: bytes) -> Geometry:
    """By the frame header of JPEG or JPEG-LS (ISO/IEC 10918-1 B.2.2). Raises Undecodable."""
    if not frame.startswith(_START_OF_IMAGE):
        raise Undecodable("the frame does not begin as a JPEG does")
    position = len(_START_OF_IMAGE)
    try:
        while True:
            while frame[position] == frame[position + 1] == _MARKER:  # fill bytes, B.1.1.2
                position += 1
            if frame[position] != _MARKER or frame[position + 1] == _START_OF_SCAN:
                raise Undecodable("the JPEG has no frame header")
            marker = frame[position + 1]
            if marker in _STARTS_OF_FRAME:
                _, _, rows, columns, components = _FRAME_HEADER.unpack_from(frame, position + 2)
                return Geometry(rows, columns, components)
            length = 0 if marker in _STANDALONE else int.from_bytes(frame[position + 2 : position + 4], "big")
            position += 2 + length
    except (IndexError, struct.error):
        raise Undecodable("the JPEG ends before its frame header") from None


def check_end_of_jpeg(frame: bytes) -> None:
    """Raises Undecodable where the end is missing: libjpeg would make the rest grey and say nothing."""
    if _END_OF_IMAGE not in frame[-_LONGEST_PADDING:]:
        raise Undecodable("the JPEG is cut short")


def code_stream(frame: bytes) -> bytes:
    """A JPEG 2000 frame without the boxes of a file, which PS3.5 annex A.4.4 forbids and some writers leave."""
    start = frame.find(_START_OF_CODESTREAM, 0, 1 << 16)
    if start < 0:
        raise Undecodable("the frame does not begin as a JPEG 2000 code stream does")
    return frame[start:]


def of_jpeg_2000(frame: bytes) -> Geometry:
    """By the SIZ marker of a code stream (ISO/IEC 15444-1 A.5.1). Raises Undecodable."""
    try:
        _, _, right, bottom, left, top, *_, components = _SIZ.unpack_from(frame, len(_START_OF_CODESTREAM))
    except struct.error:
        raise Undecodable("the code stream ends before its size") from None
    return Geometry(bottom - top, right - left, components)
