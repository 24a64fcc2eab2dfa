"""Pixels to JPEG 2000 and High-Throughput JPEG 2000, without loss (PS3.5 sections 8.2.4 and 8.2.14)."""

from __future__ import annotations

import math

import imagecodecs

from framecache.codecs.process.errors import Unwritable
from framecache.codecs.process.pixels import DecodedFrame

_BYTE = 8  # bits
_LARGEST_SAMPLE = 2  # bytes
_COLOURS = 3
_LARGEST_BASE_RESOLUTION, _FEWEST_LEVELS = 64, 5


def encode_jpeg_2000(decoded: DecodedFrame) -> bytes:
    """A code stream of part 1, which is one of part 2 as well: no component is transformed together with others but
    red, green and blue, and that the stream says itself.
    """
    if decoded.pixels.dtype.itemsize > _LARGEST_SAMPLE:
        raise Unwritable("OpenJPEG loses bits of samples that have more than 16")
    stream = imagecodecs.jpeg2k_encode(
        decoded.pixels,
        level=0,
        codecformat="J2K",
        reversible=True,
        planar=False,
        mct=_is_rgb(decoded),
        bitspersample=_BYTE * decoded.pixels.dtype.itemsize,
        numthreads=1,
    )
    return bytes(stream)


def encode_htj2k(decoded: DecodedFrame) -> bytes:
    """As 1.2.840.10008.1.2.4.202 asks for (PS3.5 section 10.18), which is one of the choices that the others leave.

    Progression by resolution is OpenJPH's own; tile length markers; the smallest resolution is of 64 pixels or less.
    """
    levels = math.ceil(math.log2(max(decoded.pixels.shape[:2]) / _LARGEST_BASE_RESOLUTION))
    stream = imagecodecs.htj2k_encode(
        decoded.pixels,
        reversible=True,
        planar=False,
        rgb=_is_rgb(decoded),
        resolutions=max(levels, _FEWEST_LEVELS),
        tlm=True,
    )
    return bytes(stream)


def _is_rgb(decoded: DecodedFrame) -> bool:
    """Whether there are colours to be transformed; a grey frame may be called so."""
    return decoded.photometric_interpretation == "RGB" and decoded.pixels.shape[2:] == (_COLOURS,)
