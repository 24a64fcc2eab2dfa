"""The positions of the frames in a stored file, and reading a frame at known positions in few calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from framecache.dicom.byte_reader import ByteReader, FileReader, Fills


class FramePlace(Protocol):
    """The position of one frame."""

    @property
    def length(self) -> int:
        """Bytes of the frame."""

    def read_into(self, reader: Fills, target: memoryview) -> None:
        """Read the frame into `target`, which has its length. Raises SourceError."""


class FrameTable(Protocol):
    """The positions of the frames of one instance."""

    @property
    def number_of_frames(self) -> int:
        """NumberOfFrames (0028,0008)."""

    @property
    def frames_present(self) -> int:
        """How many of them are wholly there, counted from the first; the others are cut off, or never were written."""

    @property
    def header_length(self) -> int:
        """Where the pixel data element begins in the file: the bytes before it are its header."""

    def place(self, frame_index: int, reader: ByteReader) -> FramePlace:
        """Where the frame with this index, from 0, lies in the instance that `reader` reads.

        Raises BrokenPixelData where it is missing, SourceError.
        """


@dataclass(frozen=True, slots=True)
class Extent:
    """A run of bytes in the stored file."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Extents:
    """A frame whose bytes are sent unchanged from the file."""

    runs: tuple[Extent, ...]

    @property
    def length(self) -> int:
        return sum(run.length for run in self.runs)

    def read_into(self, reader: Fills, target: memoryview) -> None:
        position = 0
        for run in self.runs:
            reader.read_into(run.offset, target[position : position + run.length])
            position += run.length


@dataclass(frozen=True, slots=True)
class Loaded:
    """A frame that is in memory."""

    content: memoryview

    @property
    def length(self) -> int:
        return len(self.content)

    def read_into(self, reader: Fills, target: memoryview) -> None:  # noqa: ARG002 - nothing has to be read
        target[:] = self.content


@dataclass(frozen=True, slots=True)
class PackedBits:
    """A frame of single bits that begins at bit `first_bit`, counted from the least significant one of byte `offset`.

    Frames of single bits follow each other without a gap (PS3.5 section 8.1.1). Cut out, a frame begins with a byte
    of its own, and zeros fill its last one.
    """

    offset: int
    first_bit: int
    bits: int

    @property
    def length(self) -> int:
        return -(-self.bits // 8)

    def read_into(self, reader: Fills, target: memoryview) -> None:
        stored = bytearray(-(-(self.first_bit + self.bits) // 8))
        reader.read_into(self.offset, memoryview(stored))
        bits = int.from_bytes(stored, "little") >> self.first_bit & ((1 << self.bits) - 1)
        target[:] = bits.to_bytes(self.length, "little")


# Between fragments lie 8 bytes of item header (PS3.5 table A.4-1): reading them costs less than a call per fragment.
_WIDEST_GAP = 4096
_MOST_VIEWS = 1000  # the kernel takes 1024


def read_stored_frame(path: str, extents: Sequence[Extent], target: memoryview) -> None:
    """Fill `target` with the runs of a frame, one after the other. Raises InstanceGone, SourceError."""
    with FileReader(path, whole=False) as stored:
        if len(extents) == 1:
            stored.read_into(extents[0].offset, target)
            return
        for offset, views in _sweeps(extents, target):
            stored.scatter(offset, views)


def _sweeps(extents: Sequence[Extent], target: memoryview) -> Iterator[tuple[int, list[memoryview]]]:
    """Combine nearby runs into one read; the bytes between them are read and discarded."""
    start = end = extents[0].offset
    views: list[memoryview] = []
    position, waste = 0, memoryview(bytearray(_WIDEST_GAP))
    for extent in extents:
        gap = extent.offset - end
        if views and not (0 <= gap <= _WIDEST_GAP and len(views) < _MOST_VIEWS):
            yield start, views
            start, views = extent.offset, []
        elif gap:
            views.append(waste[:gap])
        views.append(target[position : position + extent.length])
        position, end = position + extent.length, extent.offset + extent.length
    yield start, views
