"""Deflated Explicit VR Little Endian: the data set is one deflate stream behind the file meta (PS3.5 section A.5)."""

from __future__ import annotations

import zlib

from framecache.dicom.byte_reader import ByteReader, MemoryReader
from framecache.dicom.data_set import end_of_file_meta
from framecache.dicom.transfer_syntax import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN
from framecache.errors import BrokenPixelData, HandOver

_FIRST_READ = 1 << 16
# A deflate stream can grow a thousandfold: what it may become is bounded before it is inflated.
_LARGEST_INFLATED = 512 << 20


def readable(reader: ByteReader, transfer_syntax_uid: str) -> ByteReader:
    """`reader`, or for a deflated data set the same instance inflated, in memory.

    Raises HandOver where that would be too large, BrokenPixelData where the stream is damaged.
    """
    if transfer_syntax_uid != DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        return reader
    start = end_of_file_meta(reader.read_at(0, _FIRST_READ))
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data_set = inflater.decompress(reader.read_at(start, reader.size - start), _LARGEST_INFLATED)
    except zlib.error as error:
        raise BrokenPixelData("the deflated data set is damaged") from error
    if inflater.unconsumed_tail:
        raise HandOver("the deflated data set is too large to be inflated in memory")
    return MemoryReader(_file_meta(EXPLICIT_VR_LITTLE_ENDIAN) + data_set)


def _file_meta(transfer_syntax_uid: str) -> bytes:
    """The least that stands before a data set (PS3.10 section 7.1): group length and transfer syntax."""
    value = transfer_syntax_uid.encode() + b"\0" * (len(transfer_syntax_uid) % 2)
    uid = b"\x02\x00\x10\x00UI" + len(value).to_bytes(2, "little") + value
    return b"\0" * 128 + b"DICM\x02\x00\x00\x00UL\x04\x00" + len(uid).to_bytes(4, "little") + uid
