"""Pixels to RLE (PS3.5 annex G)."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np

from framecache.codecs.process.errors import Unwritable
from framecache.codecs.process.pixels import DecodedFrame, unsigned

_MOST_SEGMENTS = 15
_HEADER = struct.Struct("<16L")


def encode_rle(decoded: DecodedFrame) -> bytes:
    """A segment for each byte of each sample, the most significant first, rows apart from each other."""
    pixels = unsigned(decoded.pixels)
    rows, columns, size = *pixels.shape[:2], pixels.dtype.itemsize
    octets = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).view(np.uint8).reshape(rows, columns, -1, size)
    if octets.shape[2] * size > _MOST_SEGMENTS:
        raise Unwritable("RLE has room for 15 segments")
    segments = [
        _even(bytes(imagecodecs.packbits_encode(octets[:, :, sample, byte].copy(), axis=-1)))
        for sample in range(octets.shape[2])
        for byte in reversed(range(size))
    ]
    offsets = [_HEADER.size + sum(map(len, segments[:i])) for i in range(len(segments))]
    header = _HEADER.pack(len(segments), *offsets, *[0] * (_MOST_SEGMENTS - len(segments)))
    return b"".join([header, *segments])


def _even(segment: bytes) -> bytes:
    return segment + b"\0" * (len(segment) % 2)
