"""What a JPEG or JPEG-LS stream says of itself before its first scan (ISO/IEC 10918-1 annex B, 14495-1 annex C)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from framecache.codecs.process.errors import Undecodable
from framecache.codecs.process.geometry import Geometry

_START_OF_IMAGE, _END_OF_IMAGE = b"\xff\xd8", b"\xff\xd9"
_FRAME_HEADER = struct.Struct(">HBHHB")
# ISO/IEC 10918-1 table B.1 and ISO/IEC 14495-1 C.1.1: start of frame; C4, C8 and CC are something else.
_STARTS_OF_FRAME = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_LOSSLESS = frozenset({0xC3, 0xC7, 0xCB, 0xCF, 0xF7})
_MARKER = 0xFF
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_START_OF_SCAN = 0xDA
# Fragments are padded to an even length; some writers fill them with more than one byte, whatever it is.
_LONGEST_PADDING = 64


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """The frame header (ISO/IEC 10918-1 B.2.2): how large the frame is, and by which kind of process it was made."""

    geometry: Geometry
    is_lossless: bool

    @classmethod
    def parse(cls, frame: bytes) -> Self:
        """Raises Undecodable where there is none before the first scan."""
        if not frame.startswith(_START_OF_IMAGE):
            raise Undecodable("the frame does not begin as a JPEG does")
        try:
            for marker, position in _segments(frame):
                if marker in _STARTS_OF_FRAME:
                    _, precision, rows, columns, components = _FRAME_HEADER.unpack_from(frame, position)
                    return cls(Geometry(rows, columns, components, precision), marker in _LOSSLESS)
        except (IndexError, struct.error):
            raise Undecodable("the JPEG ends before its frame header") from None
        raise Undecodable("the JPEG has no frame header")


def _segments(frame: bytes) -> Iterator[tuple[int, int]]:
    """Each marker, and where its segment's length lies, until the first scan or what is no marker."""
    position = len(_START_OF_IMAGE)
    while True:
        while frame[position] == frame[position + 1] == _MARKER:  # fill bytes, B.1.1.2
            position += 1
        if frame[position] != _MARKER or frame[position + 1] == _START_OF_SCAN:
            return
        marker = frame[position + 1]
        yield marker, position + 2
        position += 2 + (0 if marker in _STANDALONE else int.from_bytes(frame[position + 2 : position + 4], "big"))


def whole_jpeg(frame: bytes) -> bytes:
    """`frame` without the zeros behind it. Raises Undecodable where the end of the image is missing.

    libjpeg would make the rest grey and say nothing; CharLS would work for minutes on what is not there.
    """
    stream = frame.rstrip(b"\0")
    if _END_OF_IMAGE not in stream[-_LONGEST_PADDING:]:
        raise Undecodable("the JPEG is cut short")
    return stream
