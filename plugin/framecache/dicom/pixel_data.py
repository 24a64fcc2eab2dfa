"""Where each frame lies in a stored instance: native and encapsulated (PS3.5 section 8 and annex A.4)."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Protocol

from framecache.dicom import data_set
from framecache.dicom.byte_reader import ByteReader
from framecache.dicom.data_set import EXTENDED_OFFSET_TABLE, PIXEL_DATA, UNDEFINED_LENGTH, Header
from framecache.dicom.transfer_syntax import Encoding, lookup
from framecache.errors import BrokenPixelData, HandOver

_SAMPLES_PER_PIXEL, _PHOTOMETRIC, _NUMBER_OF_FRAMES = 0x00280002, 0x00280004, 0x00280008
_ROWS, _COLUMNS, _BITS_ALLOCATED = 0x00280010, 0x00280011, 0x00280100
# A whole slide has some 100,000 tiles; a crafted file could hold one empty fragment for each 8 bytes.
_MOST_FRAGMENTS = 2_000_000
_ITEM_HEADER = struct.Struct("<LL")
_ITEM, _SEQUENCE_END = 0xE000FFFE, 0xE0DDFFFE  # read as one little endian number
# How a frame's first fragment begins: JPEG and JPEG-LS SOI, JPEG 2000 SOC and SIZ (PS3.5 annex A.4).
_STARTS_OF_FRAME = (b"\xff\xd8", b"\xff\x4f\xff\x51")


@dataclass(frozen=True, slots=True)
class Extent:
    """A run of bytes in the stored file."""

    offset: int
    length: int


class FrameTable(Protocol):
    """Where the frames of one instance lie."""

    @property
    def number_of_frames(self) -> int:
        """NumberOfFrames (0028,0008)."""

    @property
    def header_length(self) -> int:
        """Where the pixel data element begins in the file: the bytes before it are its header."""

    def extents(self, frame_index: int) -> tuple[Extent, ...]:
        """The runs of bytes of the frame with this index, from 0. Raises BrokenPixelData."""


def locate_frames(reader: ByteReader, transfer_syntax_uid: str, pixel_data_offset: int | None) -> FrameTable:
    """Find the frames of a stored instance; `reader` stays in use by the table only until it returns.

    Raises BrokenPixelData where the pixel data contradicts the header, HandOver for what is not ours to cut.
    """
    header = data_set.read_header(reader, transfer_syntax_uid, pixel_data_offset)
    number_of_frames = header.integer_string(_NUMBER_OF_FRAMES, 1)
    if number_of_frames < 1:
        raise BrokenPixelData("NumberOfFrames is not positive")
    is_native = header.pixel_data.length != UNDEFINED_LENGTH
    if lookup(transfer_syntax_uid).encoding is (Encoding.ENCAPSULATED if is_native else Encoding.NATIVE):
        # PS3.5 section A.4: else pixels would be sent as a codestream, or a codestream as pixels.
        raise BrokenPixelData("the pixel data is not encoded as its transfer syntax says")
    if is_native:
        return _native(header, number_of_frames, reader.size)
    if header.pixel_data.tag != PIXEL_DATA:
        raise BrokenPixelData("float pixel data cannot be encapsulated")
    return _encapsulated(reader, header, number_of_frames)


@dataclass(frozen=True, slots=True)
class NativeFrames:
    """Frames of one length, one behind the other (PS3.5 section 8.1.1)."""

    header_length: int
    number_of_frames: int
    first: int
    frame_length: int

    def extents(self, frame_index: int) -> tuple[Extent, ...]:
        return (Extent(self.first + frame_index * self.frame_length, self.frame_length),)


def _native(header: Header, number_of_frames: int, file_size: int) -> NativeFrames:
    bits = _bits_per_frame(header)
    if bits % 8:
        raise HandOver("frames of single bits do not begin on a byte")
    length = bits // 8
    # The value may have a pad byte: its length divided by the number of frames would not be a frame's.
    pixel_data = header.pixel_data
    if length == 0 or number_of_frames * length > min(pixel_data.length, file_size - pixel_data.offset):
        raise BrokenPixelData("the pixel data is shorter than its frames")
    return NativeFrames(header.length, number_of_frames, pixel_data.offset, length)


def _bits_per_frame(header: Header) -> int:
    pixels = header.unsigned_short(_ROWS) * header.unsigned_short(_COLUMNS)
    bits_allocated = header.unsigned_short(_BITS_ALLOCATED)
    photometric = (header.value(_PHOTOMETRIC) or b"").strip(b" \0")
    if photometric in (b"YBR_FULL_422", b"YBR_PARTIAL_422"):
        return pixels * 2 * bits_allocated  # PS3.3 C.7.6.3.1.2: two pixels share their chrominance
    return pixels * header.unsigned_short(_SAMPLES_PER_PIXEL, 1) * bits_allocated


@dataclass(frozen=True, slots=True)
class EncapsulatedFrames:
    """Frames in fragments; `first_fragment[i]` is where frame i's fragments begin in the fragment arrays."""

    header_length: int
    offsets: array[int]
    lengths: array[int]
    first_fragment: Sequence[int]

    @property
    def number_of_frames(self) -> int:
        return len(self.first_fragment) - 1

    def extents(self, frame_index: int) -> tuple[Extent, ...]:
        fragments = range(self.first_fragment[frame_index], self.first_fragment[frame_index + 1])
        return tuple(Extent(self.offsets[i], self.lengths[i]) for i in fragments)


def _encapsulated(reader: ByteReader, header: Header, number_of_frames: int) -> EncapsulatedFrames:
    kind, length = _item(reader, header.pixel_data.offset)
    if kind != _ITEM:
        raise BrokenPixelData("the pixel data does not begin with an offset table")
    start = header.pixel_data.offset + _ITEM_HEADER.size
    offsets, lengths = _fragments(reader, start + length)
    if not offsets:
        raise BrokenPixelData("the pixel data has no fragments")
    first = _one_fragment_per_frame(offsets, number_of_frames)
    first = first or _by_offset_table(reader, header, (start, length), offsets, number_of_frames)
    first = first or _by_start_of_frame(reader, offsets, number_of_frames)
    if first is None:
        raise BrokenPixelData("the fragments cannot be told apart into frames")
    return EncapsulatedFrames(header.length, offsets, lengths, first)


def _fragments(reader: ByteReader, position: int) -> tuple[array[int], array[int]]:
    offsets, lengths = array("Q"), array("Q")
    while True:
        kind, length = _item(reader, position)
        if kind == _SEQUENCE_END:
            return offsets, lengths
        position += _ITEM_HEADER.size
        if kind != _ITEM or position + length > reader.size:
            raise BrokenPixelData("the fragments end before their delimiter")
        if len(offsets) >= _MOST_FRAGMENTS:
            raise BrokenPixelData("the pixel data has too many fragments")
        offsets.append(position)
        lengths.append(length)
        position += length


def _item(reader: ByteReader, position: int) -> tuple[int, int]:
    content = reader.read_at(position, _ITEM_HEADER.size)
    if len(content) < _ITEM_HEADER.size:
        raise BrokenPixelData("the fragments end before their delimiter")
    kind, length = _ITEM_HEADER.unpack(content)
    return kind, length


def _one_fragment_per_frame(offsets: array[int], number_of_frames: int) -> Sequence[int] | None:
    """As many fragments as frames, or one frame: then no offset table is needed, and a wrong one does no harm."""
    if number_of_frames == 1:
        return (0, len(offsets))
    return range(len(offsets) + 1) if len(offsets) == number_of_frames else None


def _by_offset_table(
    reader: ByteReader, header: Header, basic: tuple[int, int], offsets: array[int], number_of_frames: int
) -> Sequence[int] | None:
    """By the Extended or Basic Offset Table, if every entry points at a fragment, in order (PS3.3 C.7.6.3.1.8)."""
    extended = header.value(EXTENDED_OFFSET_TABLE)
    table = _entries("Q", extended) if extended else _entries("I", reader.read_at(*basic))
    if table is None or len(table) != number_of_frames:
        return None
    base = offsets[0] - _ITEM_HEADER.size
    fragment_at = {offset - _ITEM_HEADER.size - base: i for i, offset in enumerate(offsets)}
    first = [fragment_at.get(entry, -1) for entry in table]
    if first[0] != 0 or -1 in first or any(a >= b for a, b in pairwise(first)):
        return None
    return [*first, len(offsets)]


def _entries(kind: Literal["I", "Q"], table: bytes) -> array[int] | None:
    return array(kind, table) if len(table) % array(kind).itemsize == 0 else None


def _by_start_of_frame(reader: ByteReader, offsets: array[int], number_of_frames: int) -> Sequence[int] | None:
    starts = [i for i, offset in enumerate(offsets) if reader.read_at(offset, 4).startswith(_STARTS_OF_FRAME)]
    if len(starts) != number_of_frames or starts[0] != 0:
        return None
    return [*starts, len(offsets)]
