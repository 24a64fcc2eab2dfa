"""The frames of a stored instance, in anything that can be read by position."""

from __future__ import annotations

from typing import Protocol

from framecache.dicom.byte_reader import ByteReader
from framecache.dicom.frame_table import Extents, FramePlace, FrameTable, Loaded


class FrameSource(Protocol):
    """Frames as they are stored, by their index from 0."""

    @property
    def number_of_frames(self) -> int:
        """NumberOfFrames (0028,0008)."""

    @property
    def frames_present(self) -> int:
        """How many of them are wholly there, counted from the first."""

    @property
    def content(self) -> ByteReader:
        """The DICOM file, inflated where it is a deflated one."""

    def header(self) -> bytes:
        """The DICOM file up to its pixel data element. Raises SourceError."""

    def frame_length(self, frame_index: int) -> int:
        """Bytes of a frame. Raises BrokenPixelData where it is missing, SourceError."""

    def read_frame(self, frame_index: int, target: memoryview) -> None:
        """Read a frame into `target`, which has its length. Raises SourceError."""


class LocatedFrames:
    """Frames whose places are known, in anything that can be read by position."""

    def __init__(self, reader: ByteReader, table: FrameTable) -> None:
        self._reader, self._table = reader, table
        self._last: tuple[int, FramePlace] | None = None

    @property
    def number_of_frames(self) -> int:
        return self._table.number_of_frames

    @property
    def frames_present(self) -> int:
        return self._table.frames_present

    @property
    def content(self) -> ByteReader:
        return self._reader

    def header(self) -> bytes:
        return self._reader.read_at(0, self._table.header_length)

    def frame_length(self, frame_index: int) -> int:
        return self._place(frame_index).length

    def read_frame(self, frame_index: int, target: memoryview) -> None:
        self._place(frame_index).read_into(self._reader, target)

    def frame_bytes(self, frame_index: int) -> bytes:
        """A frame as an object of its own, with one copy less where it lies in one piece. Raises SourceError."""
        place = self._place(frame_index)
        if isinstance(place, Loaded):
            return bytes(place.content)
        if isinstance(place, Extents) and len(place.runs) == 1:
            (run,) = place.runs
            content = self._reader.read_at(run.offset, run.length)
            if len(content) == run.length:  # the kernel reads at most 2 GiB at once
                return content
        frame = bytearray(place.length)
        place.read_into(self._reader, memoryview(frame))
        return bytes(frame)

    def _place(self, frame_index: int) -> FramePlace:
        """Finding it may take a read, and whoever wants a frame asks for its length first."""
        if self._last is None or self._last[0] != frame_index:
            self._last = frame_index, self._table.place(frame_index, self._reader)
        return self._last[1]


def read_frame(source: FrameSource, number: int) -> memoryview:
    """Frame `number` as it is stored. Raises BrokenPixelData, SourceError."""
    frame = bytearray(source.frame_length(number - 1))
    with memoryview(frame) as target:
        source.read_frame(number - 1, target)
    return memoryview(frame)
