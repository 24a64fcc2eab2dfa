"""Deflated Explicit VR Little Endian: the data set is one deflate stream behind the file meta (PS3.5 section A.5)."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from framecache.dicom.byte_reader import ByteReader, MemoryReader
from framecache.dicom.data_set import end_of_file_meta
from framecache.dicom.transfer_syntax import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN
from framecache.errors import BrokenPixelData, HandOver, Overloaded

_FIRST_READ = 1 << 16
_READ, _PIECE = 1 << 18, 1 << 22  # bytes in, bytes out at a time
_PATIENCE = 60.0


class _Inflated:
    """One instance in memory, for as long as somebody reads it."""

    def __init__(self) -> None:
        self.content: Future[bytearray] = Future()
        self.users = self.counted = 0


class Inflater:
    """Inflates data sets in memory, each once for all who read it, and all that are open within `limit` bytes.

    A deflate stream can grow a thousandfold, so what it becomes is counted while it grows.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._taken, self._lock = limit, 0, threading.Lock()
        self._open: dict[Hashable, _Inflated] = {}

    @property
    def taken(self) -> int:
        """Bytes of what is open now."""
        return self._taken

    @contextmanager
    def readable(self, reader: ByteReader, transfer_syntax_uid: str, key: Hashable) -> Iterator[ByteReader]:
        """`reader`, or for a deflated data set the same instance inflated; `key` names what is read.

        Raises HandOver where it alone is too large, Overloaded where it is with others, BrokenPixelData where the
        stream is damaged.
        """
        if transfer_syntax_uid != DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
            yield reader
            return
        with self._lock:
            inflated = self._open.setdefault(key, _Inflated())
            inflated.users += 1
            is_first = inflated.users == 1
        try:
            if is_first:
                self._inflate(reader, inflated)
            yield MemoryReader(_patiently(inflated.content))
        finally:
            self._leave(key, inflated)

    def _inflate(self, reader: ByteReader, inflated: _Inflated) -> None:
        content = bytearray(_file_meta(EXPLICIT_VR_LITTLE_ENDIAN))
        try:
            for piece in _pieces(reader):
                self._count(len(piece), inflated)
                content += piece
        except BaseException as error:  # noqa: BLE001 - it is raised again for each who waits
            inflated.content.set_exception(error)
        else:
            inflated.content.set_result(content)

    def _count(self, length: int, inflated: _Inflated) -> None:
        if inflated.counted + length > self._limit:
            raise HandOver("the deflated data set is too large to be inflated in memory")
        with self._lock:
            if self._taken + length > self._limit:
                raise Overloaded("too many bytes of deflated data sets are open at once")
            self._taken += length
            inflated.counted += length

    def _leave(self, key: Hashable, inflated: _Inflated) -> None:
        with self._lock:
            inflated.users -= 1
            if inflated.users == 0:
                del self._open[key]
                self._taken -= inflated.counted


def _patiently(content: Future[bytearray]) -> bytearray:
    try:
        return content.result(_PATIENCE)
    except TimeoutError:
        raise Overloaded("the instance that another request has inflated takes too long") from None


def _pieces(reader: ByteReader) -> Iterator[bytes]:
    """The data set, inflated piece by piece; a stream that is cut short gives what is there."""
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
    """The least that stands before a data set (PS3.10 section 7.1): group length and transfer syntax."""
    value = transfer_syntax_uid.encode() + b"\0" * (len(transfer_syntax_uid) % 2)
    uid = b"\x02\x00\x10\x00UI" + len(value).to_bytes(2, "little") + value
    return b"\0" * 128 + b"DICM\x02\x00\x00\x00UL\x04\x00" + len(uid).to_bytes(4, "little") + uid
