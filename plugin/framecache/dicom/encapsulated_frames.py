"""Frames in fragments, and the fragments of each frame (PS3.5 section A.4)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from framecache.dicom.byte_reader import ByteReader
from framecache.dicom.data_set import Header
from framecache.dicom.fragments import is_end, item_at
from framecache.dicom.frame_table import Extent, Extents, FramePlace, FrameTable
from framecache.dicom.grouping import Grouping
from framecache.dicom.offset_table import read_offset_table
from framecache.errors import BrokenPixelData


@dataclass(frozen=True, slots=True)
class EncapsulatedFrames:
    """Frames in fragments, all of which were examined.

    `first_fragment[i]` is where frame i's fragments begin in the fragment arrays; its last element ends the last
    frame that is there.
    """

    header_length: int
    number_of_frames: int
    offsets: array[int]
    lengths: array[int]
    first_fragment: Sequence[int]

    @property
    def frames_present(self) -> int:
        return len(self.first_fragment) - 1

    def place(self, frame_index: int, reader: ByteReader) -> FramePlace:  # noqa: ARG002 - no more reads are needed
        if frame_index >= self.frames_present:
            raise BrokenPixelData(f"the pixel data has {self.frames_present} whole frames of {self.number_of_frames}")
        fragments = range(self.first_fragment[frame_index], self.first_fragment[frame_index + 1])
        return _whole(frame_index, *(Extent(self.offsets[i], self.lengths[i]) for i in fragments))


@dataclass(slots=True)
class TabledFrames:
    """Frames of one fragment each, by an offset table: one of 20,000 tiles is read without examining the others.

    A frame's item is looked at before it is believed: it has to end where the table has the next one, and that has to
    begin as frames do; the last frame's ends at `end`, counted as the table counts. The first time that it does not,
    all fragments are looked at instead.
    """

    header_length: int
    grouping: Grouping
    end: int
    _scanned: EncapsulatedFrames | None = field(default=None, init=False)

    @property
    def number_of_frames(self) -> int:
        return self.grouping.number_of_frames

    @property
    def frames_present(self) -> int:
        return self._scanned.frames_present if self._scanned else self.number_of_frames

    def place(self, frame_index: int, reader: ByteReader) -> FramePlace:
        if self._scanned is None:
            item = item_at(reader, self._position(frame_index))
            if item and self._is_followed(item, frame_index, reader):
                return _whole(frame_index, item)
            self._scanned = _scan(reader, self.header_length, self.grouping)
        return self._scanned.place(frame_index, reader)

    def _is_followed(self, item: Extent, frame_index: int, reader: ByteReader) -> bool:
        """Whether the next frame begins after this frame's item; if not, it may be the first of several fragments."""
        following = self._position(frame_index + 1)
        is_last = frame_index + 1 == self.number_of_frames
        is_there = item.offset + item.length == following
        return is_there and (is_last or self.grouping.may_begin_frame(reader, following))

    def _position(self, frame_index: int) -> int:
        table = self.grouping.table
        return self.grouping.base + (table[frame_index] if frame_index < len(table) else self.end)


def locate_encapsulated(
    reader: ByteReader, header: Header, transfer_syntax_uid: str, number_of_frames: int
) -> FrameTable:
    """The frames by the offset table if it is correct, otherwise by the fragments.

    Raises BrokenPixelData where neither tells of a single frame where it is.
    """
    basic = item_at(reader, header.pixel_data.offset)
    if basic is None:
        raise BrokenPixelData("the pixel data does not begin with an offset table")
    table = read_offset_table(reader, header, basic)
    grouping = Grouping(transfer_syntax_uid, number_of_frames, table, basic.offset + basic.length)
    end = _end_of_frames(reader, grouping)
    return TabledFrames(header.length, grouping, end) if end else _scan(reader, header.length, grouping)


def _end_of_frames(reader: ByteReader, grouping: Grouping) -> int | None:
    """Where the last frame ends by the table; None where the first or the last is not the one fragment that it says.

    Tables that are wrong in the ways that are met (of another base, or not counting item headers or padding, or with
    offsets that overflowed) do not get this far.
    """
    table, base = grouping.table, grouping.base
    if len(table) != grouping.number_of_frames or len(table) == 1:
        return None
    first, last = item_at(reader, base), item_at(reader, base + table[-1])
    if first is None or last is None or first.offset + first.length != base + table[1]:
        return None
    end = last.offset + last.length
    return end - base if is_end(reader, end) else None


def _whole(frame_index: int, *runs: Extent) -> Extents:
    """The frame in these fragments; some writers write an empty one for a missing frame."""
    frame = Extents(runs)
    if not frame.length:
        raise BrokenPixelData(f"frame {frame_index + 1} is empty")
    return frame


def _scan(reader: ByteReader, header_length: int, grouping: Grouping) -> EncapsulatedFrames:
    fragments, first = grouping.of_all_fragments(reader)
    return EncapsulatedFrames(header_length, grouping.number_of_frames, fragments.offsets, fragments.lengths, first)
