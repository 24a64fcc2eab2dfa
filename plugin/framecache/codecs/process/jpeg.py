"""JPEG (ISO/IEC 10918-1): what the header of a stream says, and writing one (PS3.5 section 8.2.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import imagecodecs
import numpy as np

from framecache.codecs.process.codestream import Geometry
from framecache.codecs.process.errors import Undecodable, Unwritable
from framecache.codecs.process.pixels import DecodedFrame, PixelDescription, Pixels, unsigned

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


_BYTE = 8  # bits
_LARGEST_SAMPLE = 2  # bytes
_EXTENDED = ((8, 8), (16, 12))  # BitsAllocated and BitsStored
_QUALITY = 95  # of 100
_PREDICTOR = 1  # the only one of .70, and one of those of .57
_GREYS = ("MONOCHROME1", "MONOCHROME2")
_YBR = "YBR_FULL"
_START_OF_JPEG_LS_FRAME = b"\xff\xf7"
_LOSSLESS_FRAME, _SCAN = b"\xff\xc3", b"\xff\xda"
_BEFORE_COMPONENTS, _SCAN_HEADER = 10, 5  # bytes before the components


def encode_jpeg_baseline(decoded: DecodedFrame, description: PixelDescription) -> bytes:
    """JPEG Baseline (process 1), of quality 95, from samples of 8 bits. Raises Unwritable for all others."""
    if (description.bits_allocated, description.bits_stored) != (_BYTE, _BYTE):
        raise Unwritable("JPEG Baseline has samples of 8 bits")
    return _lossy(decoded, description)


def encode_jpeg_extended(decoded: DecodedFrame, description: PixelDescription) -> bytes:
    """JPEG Extended (process 2 and 4), of quality 95, from samples of 8 bits or of 12 in 16 (PS3.5 table 8.2.1-1).

    Raises Unwritable for all others: loss would give those of 10 bits an eleventh, and who masks it sees black.
    """
    if (description.bits_allocated, description.bits_stored) not in _EXTENDED:
        raise Unwritable("JPEG Extended has samples of 8 bits, or of 12 in 16")
    return _lossy(decoded, description)


def encode_jpeg_lossless(decoded: DecodedFrame) -> bytes:
    """JPEG process 14 with predictor 1. JPEG knows no sign: the bits are kept, all that are allocated."""
    pixels = unsigned(decoded.pixels)
    if pixels.dtype.itemsize > _LARGEST_SAMPLE:
        raise Unwritable("JPEG has samples of up to 16 bits")
    colour = _colour(DecodedFrame(pixels, "RGB"))
    precision = _BYTE * pixels.dtype.itemsize
    stream = imagecodecs.jpeg8_encode(pixels, lossless=True, predictor=_PREDICTOR, bitspersample=precision, **colour)
    # As mere samples: libjpeg-turbo 3.1 gives chrominance a Huffman table of its own, and does not say so in the scan.
    return _without_names(bytes(stream)) if colour and decoded.photometric_interpretation != "RGB" else bytes(stream)


def encode_jpeg_ls(decoded: DecodedFrame) -> bytes:
    """JPEG-LS without loss; it knows no sign: the bits are kept. CharLS's SPIFF header is none of DICOM's."""
    stream = bytes(imagecodecs.jpegls_encode(unsigned(decoded.pixels), level=0))
    return b"\xff\xd8" + stream[stream.index(_START_OF_JPEG_LS_FRAME) :]


def _lossy(decoded: DecodedFrame, description: PixelDescription) -> bytes:
    """PS3.5 table 8.2.1-1: neither signs nor indices of a palette survive a loss."""
    if description.pixel_representation:
        raise Unwritable("JPEG with loss has no signed samples")
    if description.high_bit != description.bits_stored - 1:
        raise Unwritable("the stored bits are not the lowest ones")
    if decoded.photometric_interpretation not in (*_GREYS, _YBR, "RGB"):
        raise Unwritable(f"{decoded.photometric_interpretation} is not compressed with loss")
    pixels = _within(decoded, description.bits_stored)
    # Two pixels that share their chrominance go on doing so: nothing of it is lost.
    sampling = "422" if description.photometric_interpretation == "YBR_FULL_422" else "444"
    colour = _colour(decoded, sampling)
    stream = imagecodecs.jpeg8_encode(pixels, level=_QUALITY, bitspersample=description.bits_stored, **colour)
    return bytes(stream)


def _within(decoded: DecodedFrame, bits: int) -> Pixels:
    """What lies above the stored bits, overlays of old, would be noise all over the picture."""
    last = np.array((1 << bits) - 1, decoded.pixels.dtype)
    within: Pixels = np.minimum(decoded.pixels, last) if decoded.whole_samples else decoded.pixels & last
    return within


def _colour(decoded: DecodedFrame, sampling: str = "444") -> dict[str, Any]:
    """The encoder's arguments that leave the colours as they are."""
    if decoded.pixels.ndim == 2:  # noqa: PLR2004 - rows and columns
        return {}
    if decoded.pixels.shape[2] != 3:  # noqa: PLR2004 - of colour
        raise Unwritable("JPEG has one or three samples for each pixel")
    space = "YCBCR" if decoded.photometric_interpretation == _YBR else "RGB"
    return {"colorspace": space, "outcolorspace": space, "subsampling": sampling}


def _without_names(stream: bytes) -> bytes:
    """A stream of RGB without its Adobe marker and with components 1, 2 and 3, whatever their colours are."""
    bare = bytearray(stream[:2] + stream[4 + int.from_bytes(stream[4:6], "big") :])
    frame, scan = bare.index(_LOSSLESS_FRAME), bare.index(_SCAN)
    for number in range(3):
        bare[frame + _BEFORE_COMPONENTS + 3 * number] = bare[scan + _SCAN_HEADER + 2 * number] = number + 1
    return bytes(bare)
