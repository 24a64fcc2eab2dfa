"""Deflated Explicit VR Little Endian: the data set is one deflate stream after the file meta (PS3.5 section A.5)."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Self

from framecache.dicom.byte_reader import ByteReader, MemoryReader
from framecache.dicom.data_set import end_of_file_meta
from framecache.dicom.transfer_syntax import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN
from framecache.errors import BrokenPixelData, SourceError
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


class InflatingReader:
    """The beginning of what a stream inflates to, which is not inflated farther than it is read."""

    def __init__(self, reader: ByteReader, position: int, window: int, prefix: bytes = b"") -> None:
        """The stream begins at `position`; `window` is zlib's wbits. `prefix` stands before what is inflated."""
        self._reader, self._position = reader, position
        self._inflater, self._content = zlib.decompressobj(window), bytearray(prefix)
        self._is_whole = False

    @classmethod
    def of_data_set(cls, reader: ByteReader) -> Self:
        """Of a deflated data set, as if it were not. Raises UnreadableHeader."""
        start = end_of_file_meta(reader.read_at(0, _FIRST_READ))
        return cls(reader, start, -zlib.MAX_WBITS, _file_meta(EXPLICIT_VR_LITTLE_ENDIAN))

    @property
    def size(self) -> int:
        """Length in bytes; more than anything while it is not known."""
        return len(self._content) if self._is_whole else sys.maxsize

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end. Raises BrokenPixelData."""
        while len(self._content) < offset + length and not self._is_whole:
            self._inflate_more()
        return bytes(self._content[offset : offset + length])

    def _inflate_more(self) -> None:
        tail = self._inflater.unconsumed_tail
        read = tail or self._reader.read_at(self._position, _FIRST_READ)
        self._position += 0 if tail else len(read)
        try:
            self._content += self._inflater.decompress(read, _READ)
        except zlib.error as error:
            raise BrokenPixelData("the deflated data set is damaged") from error
        self._is_whole = self._inflater.eof or not read

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill `target` from `offset`. Raises SourceError if there is not so much."""
        found = self.read_at(offset, len(target))
        if len(found) != len(target):
            raise SourceError("the stored file ends before its pixel data")
        target[:] = found

    def close(self) -> None:
        """The stream is another's."""


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
