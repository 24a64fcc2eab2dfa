"""RLE (PS3.5 annex G) to planes of samples."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np

from framecache.codecs.process.errors import Undecodable
from framecache.codecs.process.pixels import PixelDescription

_HEADER = struct.Struct("<16L")
_NOTHING = 0x80  # the header byte that stands for no byte at all (PS3.5 section G.3.1)


def decode_rle(frame: bytes, description: PixelDescription) -> bytes:
    """Little Endian samples, one plane behind the other; `frame` has the segments that the description asks for.

    Raises Undecodable where one of them has too few bytes. What lies behind the last byte of a plane is padding.
    """
    try:
        planes = bytes(imagecodecs.dicomrle_decode(frame, description.dtype.newbyteorder("<")))
    except RuntimeError:  # it takes each byte of a segment for a part of the frame
        planes = b""
    return planes if len(planes) == description.decoded_size else _decode_padded(frame, description)


def _decode_padded(frame: bytes, description: PixelDescription) -> bytes:
    number, *offsets = _HEADER.unpack_from(frame)
    ends = [*offsets[1:number], len(frame)]
    length, size = description.rows * description.columns, description.dtype.itemsize
    planes = np.empty((number // size, length, size), np.uint8)
    for index, (start, end) in enumerate(zip(offsets[:number], ends, strict=True)):
        sample, byte = divmod(index, size)  # of each sample, the most significant byte first
        planes[sample, :, size - 1 - byte] = np.frombuffer(_unpacked(frame[start:end], length), np.uint8)
    return planes.tobytes()


def _unpacked(segment: bytes, length: int) -> bytes:
    """The first `length` bytes of a segment (PS3.5 section G.3.2)."""
    found, position = bytearray(), 0
    while len(found) < length and position < len(segment):
        header = segment[position]
        if header < _NOTHING:
            found += segment[position + 1 : position + 2 + header]
            position += 2 + header
        else:
            found += segment[position + 1 : position + 2] * (257 - header if header > _NOTHING else 0)
            position += 2 if header > _NOTHING else 1
    if len(found) < length:
        raise Undecodable("an RLE segment is shorter than its plane")
    return bytes(found[:length])
