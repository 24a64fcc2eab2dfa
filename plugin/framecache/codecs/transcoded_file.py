"""A stored instance in another transfer syntax: made frame by frame in helper processes, one frame in memory at a time.

Orthanc's transcoders need the whole instance in memory, several times over, and their decoders can end the server.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from framecache.codecs.process.errors import Unwritable
from framecache.codecs.targets import LOSSY_TARGETS, NATIVE_TARGETS
from framecache.dicom.byte_reader import ByteReader, read_in_chunks
from framecache.dicom.data_set import Header, read_header
from framecache.dicom.frame_source import FrameSource, read_frame
from framecache.dicom.frame_table import Extent
from framecache.dicom.trailing_elements import trailing_elements
from framecache.dicom.transfer_syntax import (
    EXPLICIT_VR_BIG_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    Encoding,
    lookup,
)
from framecache.errors import BrokenPixelData

_ROWS, _COLUMNS, _SAMPLES, _BITS = 0x00280010, 0x00280011, 0x00280002, 0x00280100
_ITEM = struct.Struct("<HHL")
_END = _ITEM.pack(0xFFFE, 0xE0DD, 0)
_MOST_TO_CONVERT = 64 << 20  # bytes of elements that go through a helper process at once
# The bytes that Big Endian swaps together, by VR (PS3.5 sections 6.2 and 7.3), and what Python's arrays call them.
_WORDS = {b"OW": "H", b"OF": "I", b"OL": "I", b"OD": "Q", b"OV": "Q"}


class FrameCodecs(Protocol):
    """What the helper processes do for frames that are to lie in a file."""

    def transcode(
        self, header: bytes, frame: bytes | memoryview, frame_number: int, target_transfer_syntax_uid: str
    ) -> bytes:
        """The frame in another transfer syntax."""

    def file_header(
        self, header: bytes, vr: str, target_transfer_syntax_uid: str, length: int, ratio: float | None
    ) -> bytes:
        """The file in another transfer syntax up to its first frame."""


class FileCodecs(FrameCodecs, Protocol):
    """What they do for whole files."""

    def elements(self, header: bytes, elements: bytes, target_transfer_syntax_uid: str) -> bytes:
        """The elements behind the pixel data in another transfer syntax."""

    def whole_file(self, content: bytes, target_transfer_syntax_uid: str) -> bytes:
        """A file without frames to be decoded or encoded, in another transfer syntax."""


def transcode_file(
    source: FrameSource, stored: str, pixel_data_offset: int | None, target: str, codecs: FileCodecs
) -> TranscodedFile:
    """The file of `source`, of transfer syntax `stored`, in the transfer syntax `target`; its first frame is made.

    `source` has to stay open as long as the file is read. Raises Unwritable where it cannot be had so, CodecError,
    SourceError (UnreadableHeader where there is no pixel data).
    """
    if source.frames_present < source.number_of_frames:
        raise BrokenPixelData(f"the stored file has {source.frames_present} of {source.number_of_frames} frames")
    header = read_header(source.content, stored, pixel_data_offset)
    body, ratio = _body(source, header, stored, target, codecs)
    vr = header.pixel_data.vr.decode("ascii", "replace")
    head = codecs.file_header(source.header(), vr, target, body.length or 0, ratio)
    return TranscodedFile(head, body, _tail(source, header, stored, target, codecs))


def convert_file(stored: ByteReader, target: str, codecs: FileCodecs) -> bytes:
    """The file that `stored` reads in the transfer syntax `target`, where there is nothing to decode or encode.

    Raises Unwritable where it is too large, CodecError.
    """
    if stored.size > _MOST_TO_CONVERT:
        raise Unwritable("the file is too large to be written in another encoding")
    return codecs.whole_file(stored.read_at(0, stored.size), target)


def _body(
    source: FrameSource, header: Header, stored: str, target: str, codecs: FileCodecs
) -> tuple[_Body, float | None]:
    if target in NATIVE_TARGETS and lookup(stored).encoding is Encoding.NATIVE:
        element = header.pixel_data
        if element.offset + element.length > source.content.size:
            raise BrokenPixelData("the stored file ends within its pixel data")
        word = _WORDS.get(element.vr, "B") if stored == EXPLICIT_VR_BIG_ENDIAN else "B"
        return _StoredPixels(source.content, Extent(element.offset, element.length), word), None
    make = _maker(codecs, source, target)
    first = make(1)
    if target in NATIVE_TARGETS:
        return _NativeFrames(source.number_of_frames, first, make), None
    ratio = _native_size(header) / len(first) if target in LOSSY_TARGETS else None
    return _Fragments(source.number_of_frames, first, make), ratio


def _tail(source: FrameSource, header: Header, stored: str, target: str, codecs: FileCodecs) -> _Tail:
    behind = trailing_elements(source.content, header)
    is_same = IMPLICIT_VR_LITTLE_ENDIAN not in (stored, target) and stored != EXPLICIT_VR_BIG_ENDIAN
    if is_same or not behind.length:
        return _Tail(source.content, behind)
    if behind.length > _MOST_TO_CONVERT:
        raise Unwritable("there is too much behind the pixel data to be written in another encoding")
    elements = source.content.read_at(behind.offset, behind.length)
    return _Tail(source.content, Extent(0, 0), codecs.elements(source.header(), elements, target))


@dataclass(frozen=True, slots=True)
class TranscodedFile:
    """The new header, the pixel data's value, and what stood behind it."""

    head: bytes
    body: _Body
    tail: _Tail
    origin: str = "file"

    @property
    def is_made(self) -> bool:
        return not isinstance(self.body, _StoredPixels)

    @property
    def length(self) -> int | None:
        return None if self.body.length is None else len(self.head) + self.body.length + self.tail.length

    def chunks(self, buffer: memoryview) -> Iterator[memoryview]:
        yield memoryview(self.head)
        yield from self.body.chunks(buffer)
        yield from self.tail.chunks(buffer)


class _Body(Protocol):
    @property
    def length(self) -> int | None:
        """Bytes, where they are known."""

    def chunks(self, buffer: memoryview) -> Iterator[memoryview]:
        """The value of the pixel data element, fragments with their delimiter."""


@dataclass(frozen=True, slots=True)
class _StoredPixels:
    """Native pixels as they lie in the file; those of Big Endian with the bytes of each word swapped."""

    reader: ByteReader
    extent: Extent
    word: str

    @property
    def length(self) -> int:
        return self.extent.length

    def chunks(self, buffer: memoryview) -> Iterator[memoryview]:
        chunks = read_in_chunks(self.reader, self.extent.offset, self.extent.length, buffer)
        return chunks if self.word == "B" else (_swapped(chunk, self.word) for chunk in chunks)


@dataclass(frozen=True, slots=True)
class _NativeFrames:
    """Decoded frames, all of the length of the first, with a pad byte where that is needed (PS3.5 section 8.1.1)."""

    count: int
    first: bytes
    make: Callable[[int], bytes]

    @property
    def length(self) -> int:
        total = self.count * len(self.first)
        return total + total % 2

    def chunks(self, buffer: memoryview) -> Iterator[memoryview]:  # noqa: ARG002 - each frame has memory of its own
        for frame in _frames(self.count, self.first, self.make):
            if len(frame) != len(self.first):
                raise BrokenPixelData("the frames do not have the same length")
            yield memoryview(frame)
        yield memoryview(b"\0" * (self.count * len(self.first) % 2))


@dataclass(frozen=True, slots=True)
class _Fragments:
    """Compressed frames, a fragment for each, so that an empty offset table is enough (PS3.5 section A.4)."""

    count: int
    first: bytes
    make: Callable[[int], bytes]
    length: None = None

    def chunks(self, buffer: memoryview) -> Iterator[memoryview]:  # noqa: ARG002 - each frame has memory of its own
        for frame in _frames(self.count, self.first, self.make):
            padding = len(frame) % 2
            yield memoryview(_ITEM.pack(0xFFFE, 0xE000, len(frame) + padding))
            yield memoryview(frame)
            yield memoryview(b"\0" * padding)
        yield memoryview(_END)


@dataclass(frozen=True, slots=True)
class _Tail:
    """What stands behind the pixel data: as it lies in the file, or converted."""

    reader: ByteReader
    extent: Extent
    converted: bytes = b""

    @property
    def length(self) -> int:
        return self.extent.length + len(self.converted)

    def chunks(self, buffer: memoryview) -> Iterator[memoryview]:
        yield memoryview(self.converted)
        yield from read_in_chunks(self.reader, self.extent.offset, self.extent.length, buffer)


def _maker(codecs: FileCodecs, source: FrameSource, target: str) -> Callable[[int], bytes]:
    header = source.header()
    return lambda number: codecs.transcode(header, read_frame(source, number), number, target)


def _frames(count: int, first: bytes, make: Callable[[int], bytes]) -> Iterator[bytes]:
    return chain((first,), map(make, range(2, count + 1)))


def _native_size(header: Header) -> int:
    samples = header.unsigned_short(_ROWS) * header.unsigned_short(_COLUMNS) * header.unsigned_short(_SAMPLES, 1)
    return samples * header.unsigned_short(_BITS) // 8


def _swapped(chunk: memoryview, word: str) -> memoryview:
    words = array(word, bytes(chunk[: len(chunk) - len(chunk) % array(word).itemsize]))
    words.byteswap()
    return memoryview(words.tobytes() + bytes(chunk[len(words) * words.itemsize :]))
