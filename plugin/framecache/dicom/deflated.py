"""Deflated Explicit VR Little Endian: the data set is one deflate stream after the file meta (PS3.5 section A.5)."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from functools import partial

from framecache.dicom.byte_reader import ByteReader, MemoryReader
from framecache.dicom.data_set import end_of_file_meta
from framecache.dicom.transfer_syntax import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN
from framecache.errors import BrokenPixelData
from framecache.shared_buffers import SharedBuffer, SharedBuffers

_FIRST_READ = 1 << 16
_READ, _PIECE = 1 << 18, 1 << 22  # bytes in, bytes out at a time


@contextmanager
def readable(
    reader: ByteReader, transfer_syntax_uid: str, contents: SharedBuffers, key: Hashable
) -> Iterator[ByteReader]:
    """`reader`, or for a deflated data set the same instance inflated among `contents`; `key` names what is read.

    Raises HandOver where it alone is too large, Overloaded where it is with others, BrokenPixelData where the
    stream is damaged.
    """
    if transfer_syntax_uid != DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        yield reader
        return
    with contents.hold(key, partial(_inflate, reader, contents)) as content:
        yield MemoryReader(content)


def _inflate(reader: ByteReader, contents: SharedBuffers, content: SharedBuffer) -> bytearray:
    """Inflate piece by piece, and count: a deflate stream can grow a thousandfold."""
    inflated = bytearray(_file_meta(EXPLICIT_VR_LITTLE_ENDIAN))
    for piece in _pieces(reader):
        contents.take(len(piece), content)
        inflated += piece
    return inflated


def _pieces(reader: ByteReader) -> Iterator[bytes]:
    """The inflated data set, piece by piece; a truncated stream yields its beginning."""
    position = end_of_file_meta(reader.read_at(0, _FIRST_READ))
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        while not inflater.eof and (read := reader.read_at(position, _READ)):
            position += len(read)
            while read or inflater.unconsumed_tail:
                yield inflater.decompress(read or inflater.unconsumed_tail, _PIECE)
                read = b""
        yield inflater.flush()
    except zlib.error as error:
        raise BrokenPixelData("the deflated data set is damaged") from error


def _file_meta(transfer_syntax_uid: str) -> bytes:
    """The minimal bytes before a data set (PS3.10 section 7.1): preamble, group length and transfer syntax."""
    value = transfer_syntax_uid.encode() + b"\0" * (len(transfer_syntax_uid) % 2)
    uid = b"\x02\x00\x10\x00UI" + len(value).to_bytes(2, "little") + value
    return b"\0" * 128 + b"DICM\x02\x00\x00\x00UL\x04\x00" + len(uid).to_bytes(4, "little") + uid
