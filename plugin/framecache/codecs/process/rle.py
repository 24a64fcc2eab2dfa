"""RLE Lossless (PS3.5 annex G): segments of byte planes, read and written."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np

from framecache.codecs.process.errors import Undecodable, Unwritable
from framecache.codecs.process.pixels import DecodedFrame, PixelDescription, unsigned

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
    rows, columns, size = description.rows, description.columns, description.dtype.itemsize
    planes = np.empty((number // size, rows * columns, size), np.uint8)
    for index, (start, end) in enumerate(zip(offsets[:number], ends, strict=True)):
        sample, byte = divmod(index, size)  # of each sample, the most significant byte first
        plane = _unpacked(frame[start:end], rows, columns)
        planes[sample, :, size - 1 - byte] = np.frombuffer(plane, np.uint8)
    return planes.tobytes()


def _unpacked(segment: bytes, rows: int, columns: int) -> bytes:
    """The plane at the beginning of a segment (PS3.5 section G.3.2).

    Runs end with their row (section G.3.1), or damage would be taken for padding; the last may have one byte too many.
    """
    found, position, end = bytearray(), 0, rows * columns
    while len(found) < end and position < len(segment):
        row_end = len(found) - len(found) % columns + columns
        position = _unpack_run(segment, position, found)
        if len(found) > row_end + (row_end == end):
            raise Undecodable("an RLE segment has runs that do not end with their row")
    if len(found) < end:
        raise Undecodable("an RLE segment is shorter than its plane")
    return bytes(found[:end])


def _unpack_run(segment: bytes, position: int, found: bytearray) -> int:
    """Append the run at `position`; return where the next one begins."""
    header = segment[position]
    if header < _NOTHING:
        found += segment[position + 1 : position + 2 + header]
        return position + 2 + header
    if header == _NOTHING:
        return position + 1
    found += segment[position + 1 : position + 2] * (257 - header)
    return position + 2


_MOST_SEGMENTS = 15


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
