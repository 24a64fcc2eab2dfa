"""A frame table as bytes, so that the frames of a stored file are located only once.

Layout: magic, a digest of the attachment's UUID, where the pixel data element begins, the number of frames and of runs,
the xxh3 checksum of all that and of what follows; then, deflated, how many runs each frame has, and for each run its
length and how far it begins behind the end of the run before it: nothing between native frames, 8 bytes of item header
(PS3.5 table A.4-1) between fragments, so that these numbers deflate to nearly nothing.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import xxhash

from framecache.dicom.byte_reader import ByteReader
from framecache.dicom.frame_table import Extent, Extents, FramePlace, FrameTable
from framecache.errors import BrokenPixelData, FrameCacheError, HandOver

_MAGIC = b"FRMIDX01"
_HEAD = struct.Struct("<8s16sQLL")
_CHECKSUM = struct.Struct("<Q")
_COUNT, _LENGTH, _GAP = "I", "I", "q"
_BYTES_OF_RUN = array(_LENGTH).itemsize + array(_GAP).itemsize


class BrokenIndex(FrameCacheError):
    """The bytes are not the index of that stored file."""


@dataclass(frozen=True, slots=True)
class IndexedFrames:
    """A table that is known whole; frame i has the runs `first_run[i]` to `first_run[i + 1] - 1`."""

    header_length: int
    offsets: array[int]
    lengths: array[int]
    first_run: Sequence[int]

    @property
    def number_of_frames(self) -> int:
        return len(self.first_run) - 1

    @property
    def frames_present(self) -> int:
        """Of others no index is made."""
        return self.number_of_frames

    def place(self, frame_index: int, reader: ByteReader) -> FramePlace:  # noqa: ARG002 - nothing has to be read
        return Extents(self.extents(frame_index))

    def extents(self, frame_index: int) -> tuple[Extent, ...]:
        runs = range(self.first_run[frame_index], self.first_run[frame_index + 1])
        return tuple(Extent(self.offsets[i], self.lengths[i]) for i in runs)


def pack(table: FrameTable, reader: ByteReader, attachment_uuid: str) -> bytes:
    """All of `table`, the index of the stored file of that UUID, which `reader` reads.

    Raises HandOver where frames are missing, or are not sent as they lie there; SourceError.
    """
    counts, lengths, gaps = array(_COUNT), array(_LENGTH), array(_GAP)
    end = table.header_length
    for frame_index in range(table.number_of_frames):
        runs = _runs(table, reader, frame_index)
        counts.append(len(runs))
        for run in runs:
            lengths.append(run.length)
            gaps.append(run.offset - end)
            end = run.offset + run.length
    head = _HEAD.pack(_MAGIC, _digest(attachment_uuid), table.header_length, len(counts), len(lengths))
    content = zlib.compress(counts.tobytes() + lengths.tobytes() + gaps.tobytes(), 1)
    return head + _CHECKSUM.pack(_checksum(head, content)) + content


def _runs(table: FrameTable, reader: ByteReader, frame_index: int) -> tuple[Extent, ...]:
    try:
        place = table.place(frame_index, reader) if frame_index < table.frames_present else None
    except BrokenPixelData:  # an offset table promised more than there is
        place = None
    if not isinstance(place, Extents):
        raise HandOver("frames are missing from the file, or begin within a byte: there is nothing to index")
    return place.runs


def unpack(content: bytes, attachment_uuid: str, file_size: int) -> IndexedFrames:
    """The table of the stored file of that UUID and length. Raises BrokenIndex unless it is whole and its own."""
    head, deflated = content[: _HEAD.size], content[_HEAD.size + _CHECKSUM.size :]
    if content[_HEAD.size : _HEAD.size + _CHECKSUM.size] != _CHECKSUM.pack(_checksum(head, deflated)):
        raise BrokenIndex("the index is damaged")
    magic, digest, header_length, frames, runs = _HEAD.unpack(head)
    if (magic, digest) != (_MAGIC, _digest(attachment_uuid)):
        raise BrokenIndex("the index belongs to another file")
    counts, lengths, gaps = _columns(deflated, frames, runs)
    ends = list(accumulate(map(sum, zip(gaps, lengths, strict=True)), initial=header_length))
    offsets = [end - length for end, length in zip(ends[1:], lengths, strict=True)]
    if min(counts, default=0) < 1 or sum(counts) != runs or min(offsets) < header_length or max(ends) > file_size:
        raise BrokenIndex("the index points outside of its file")
    first = range(runs + 1) if runs == frames and max(counts) == 1 else array(_COUNT, accumulate(counts, initial=0))
    return IndexedFrames(header_length, array("Q", offsets), lengths, first)


def _columns(deflated: bytes, frames: int, runs: int) -> tuple[array[int], array[int], array[int]]:
    expected = frames * array(_COUNT).itemsize + runs * _BYTES_OF_RUN
    try:
        content = zlib.decompressobj().decompress(deflated, expected + 1)
    except zlib.error as error:
        raise BrokenIndex("the index is damaged") from error
    if len(content) != expected:
        raise BrokenIndex("the index has not its length")
    lengths_at = frames * array(_COUNT).itemsize
    gaps_at = lengths_at + runs * array(_LENGTH).itemsize
    return (
        array(_COUNT, content[:lengths_at]),
        array(_LENGTH, content[lengths_at:gaps_at]),
        array(_GAP, content[gaps_at:]),
    )


def _digest(attachment_uuid: str) -> bytes:
    return xxhash.xxh3_128_digest(attachment_uuid.encode())


def _checksum(head: bytes, deflated: bytes) -> int:
    return xxhash.xxh3_64_intdigest(head + deflated)
