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
from framecache.client.retrieval.reading_ahead import ReadingAhead
from framecache.dicom.byte_reader import ByteReader
from framecache.dicom.frame_table import FramePlace, Loaded
from framecache.errors import SourceError

# Small frames are read together: where they lie in one object, near ones are one request.
_FRAMES_AT_ONCE, _BYTES_AT_ONCE = 64, 8 << 20


@dataclass(frozen=True, slots=True)
class Content:
    """What an instance consists of. The functions may raise SourceError.

    `frames` begins to read those of these indices, from 0, and returns what waits for them.
    """

    transfer_syntax_uid: str
    metadata: Callable[[], Mapping[str, Any]]
    bulk_data: ReadBulkData
    lengths: Callable[[], Sequence[int]]
    frames: Callable[[Sequence[int]], Callable[[], list[memoryview]]]


class RebuiltFile:
    """A file that is made as far as it is read; frames are fetched before they are asked for. For one thread.

    It is a FrameTable, too: frames are had without the header, which takes longer to make.
    """

    def __init__(self, content: Content, number_of_frames: int, wanted: Sequence[int] | None = None) -> None:
        """`wanted` are the indices of the frames that will be read, in this order; all of them if None."""
        self._content, self.number_of_frames = content, number_of_frames
        self._wanted = range(number_of_frames) if wanted is None else list(dict.fromkeys(wanted))
        self._other: tuple[int, memoryview] | None = None

    @property
    def frames_present(self) -> int:
        """An archive has all frames of an instance, or does not have the instance."""
        return self.number_of_frames

    @property
    def header_length(self) -> int:
        return len(self._encoded.header)

    def place(self, frame_index: int, reader: ByteReader) -> FramePlace:  # noqa: ARG002
        return Loaded(self.frame(frame_index))

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
        self.__dict__.pop("_ahead", None)
        self._other = None

    def frame(self, frame_index: int) -> memoryview:
        """A frame, and those that are wanted next are begun. Raises SourceError."""
        if frame_index in self._group_of:
            group = self._group_of[frame_index]
            return self._ahead.part(group)[self._groups[group].index(frame_index)]
        if self._other is None or self._other[0] != frame_index:
            [content] = self._content.frames([frame_index])()
            self._other = frame_index, content
        return self._other[1]

    @cached_property
    def _groups(self) -> list[list[int]]:
        """The wanted frames, small ones several together."""
        if len(self._wanted) == 1:
            return [list(self._wanted)]
        groups: list[list[int]] = []
        room = 0
        for index in self._wanted:
            room -= self._lengths[index]
            if not groups or room < 0 or len(groups[-1]) == _FRAMES_AT_ONCE:
                groups.append([])
                room = _BYTES_AT_ONCE - self._lengths[index]
            groups[-1].append(index)
        return groups

    @cached_property
    def _group_of(self) -> dict[int, int]:
        return {index: number for number, group in enumerate(self._groups) for index in group}

    @cached_property
    def _ahead(self) -> ReadingAhead[list[memoryview]]:
        is_one = len(self._wanted) == 1  # its length is not known, and does not matter
        lengths = [0] if is_one else [sum(self._lengths[index] for index in group) for group in self._groups]
        return ReadingAhead(lengths, lambda number: self._content.frames(self._groups[number]))

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
