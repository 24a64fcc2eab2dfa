"""A DICOM file that is nowhere: an archive's metadata, bulk data and frames, as if they lay one behind the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from framecache.client.archive.encoding import (
    Encoded,
    Part,
    ReadBulkData,
    encode,
    joined_bits,
    pixel_data,
    whole_pixel_data,
)
from framecache.dicom.byte_reader import ByteReader, Fills
from framecache.dicom.frame_table import FramePlace
from framecache.errors import SourceError

_FRAMES_AT_ONCE, _BYTES_AT_ONCE = 64, 64 << 20


@dataclass(frozen=True, slots=True)
class Content:
    """What an instance consists of. The functions may raise SourceError; frames are by their index from 0."""

    transfer_syntax_uid: str
    metadata: Callable[[], Mapping[str, Any]]
    bulk_data: ReadBulkData
    lengths: Callable[[], Sequence[int]]
    frames: Callable[[Sequence[int]], list[memoryview]]


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A frame that is in memory."""

    content: memoryview

    @property
    def length(self) -> int:
        return len(self.content)

    def read_into(self, reader: Fills, target: memoryview) -> None:  # noqa: ARG002 - nothing has to be read
        target[:] = self.content


class RebuiltFile:
    """A file that is made as far as it is read; frames are fetched several at once. For one thread.

    It is a FrameTable, too: frames are had without the header, which takes longer to make.
    """

    def __init__(self, content: Content, number_of_frames: int, wanted: Sequence[int] | None = None) -> None:
        """`wanted` are the indices of the frames that will be read, in this order; all of them if None."""
        self._content, self.number_of_frames = content, number_of_frames
        self._wanted = range(number_of_frames) if wanted is None else wanted
        self._fetched: dict[int, memoryview] = {}

    @property
    def frames_present(self) -> int:
        """An archive has all frames of an instance, or does not have the instance."""
        return self.number_of_frames

    @property
    def header_length(self) -> int:
        return len(self._encoded.header)

    def place(self, frame_index: int, reader: ByteReader) -> FramePlace:  # noqa: ARG002
        return _Fetched(self.frame(frame_index))

    @property
    def size(self) -> int:
        return self._starts[-1]

    def read_at(self, offset: int, length: int) -> bytes:
        target = bytearray(max(0, min(length, self.size - offset)))
        self.read_into(offset, memoryview(target))
        return bytes(target)

    def read_into(self, offset: int, target: memoryview) -> None:
        if offset + len(target) > self.size:
            raise SourceError("the file ends before")
        position, index = 0, bisect_right(self._starts, offset) - 1
        while position < len(target):
            part, within = self._parts[index], offset + position - self._starts[index]
            source = self._bytes(part)[within : within + len(target) - position]
            target[position : position + len(source)] = source
            position, index = position + len(source), index + 1

    def close(self) -> None:
        """Forget the frames."""
        self._fetched.clear()

    def frame(self, frame_index: int) -> memoryview:
        """A frame, fetched with those that are wanted next. Raises SourceError."""
        if frame_index not in self._fetched:
            indices = self._next(frame_index)
            self._fetched = dict(zip(indices, self._content.frames(indices), strict=True))
        return self._fetched[frame_index]

    def _next(self, frame_index: int) -> list[int]:
        try:
            start = self._wanted.index(frame_index)
        except ValueError:
            return [frame_index]
        most = _FRAMES_AT_ONCE
        if self._fetched:  # frames of one instance have about the same length
            most = max(1, min(most, _BYTES_AT_ONCE // max(1, *map(len, self._fetched.values()))))
        elif len(self._wanted) > 1:
            most = min(most, max(1, _BYTES_AT_ONCE // max(1, self._lengths[frame_index])))
        return list(dict.fromkeys(self._wanted[start : start + most]))

    def _bytes(self, part: Part) -> memoryview:
        return memoryview(part.content) if part.frame_index is None else self.frame(part.frame_index)

    @cached_property
    def _lengths(self) -> Sequence[int]:
        return self._content.lengths()

    @cached_property
    def _encoded(self) -> Encoded:
        content = self._content
        return encode(content.metadata(), content.transfer_syntax_uid, content.bulk_data)

    @cached_property
    def _parts(self) -> list[Part]:
        encoded = self._encoded
        parts = [Part(len(encoded.header), encoded.header)]
        if self.number_of_frames and encoded.bits_per_frame:
            frames = [self.frame(index) for index in range(self.number_of_frames)]
            parts += whole_pixel_data(encoded, joined_bits(frames, encoded.bits_per_frame))
        elif self.number_of_frames:
            parts += pixel_data(encoded, self._content.transfer_syntax_uid, self._lengths)
        return parts

    @cached_property
    def _starts(self) -> list[int]:
        return list(accumulate((part.length for part in self._parts), initial=0))
