"""Reads frames by their record, from wherever they lie; a frame that is not the recorded one is never returned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import xxhash

from framecache.tree import layout
from framecache.tree.errors import Damaged, Missing
from framecache.tree.frame_tables import FrameTables, Row
from framecache.tree.objects import Objects
from framecache.tree.publication import frame_within
from framecache.tree.record import Record
from framecache.tree.source import LARGEST_INFLATED


@dataclass(frozen=True, slots=True)
class FrameReader:
    """Numbers of frames count from 1. Raises NotFound, Damaged, Unreachable."""

    objects: Objects
    pool: Executor
    tables: FrameTables

    def read(self, record: Record, numbers: Sequence[int]) -> list[memoryview]:
        """Several frames, several at once: those in one object by ranges, near ones in one request."""
        record.check_frames(numbers)
        if record.together:
            return self._from_one_object(record, numbers)
        if len(numbers) == 1:
            return [self.read_one(record, numbers[0])]
        return self.begin(record, numbers)()

    def begin(self, record: Record, numbers: Sequence[int]) -> Callable[[], list[memoryview]]:
        """Begin to read; what is returned waits for them, as often as it is called."""
        record.check_frames(numbers)
        if record.together:
            return self.pool.submit(self._from_one_object, record, numbers).result
        futures = [self.pool.submit(self.read_one, record, number) for number in numbers]
        return lambda: [future.result() for future in futures]

    def lengths(self, record: Record) -> list[int]:
        """The bytes of each frame; of those in one object, by its table."""
        if not record.together:
            return [frame.length for frame in record.frames]
        self._rows(record, [record.number_of_frames])  # raises where the record promises more than there is
        return [row[1] for row in self._rows(record, range(1, record.number_of_frames + 1))[0]]

    def read_one(self, record: Record, number: int) -> memoryview:
        """A frame that is an object of its own, at the instance's own place or under its version's checksum."""
        keys = (layout.frame(record.path, number), layout.version(record.origin.sha256, number))
        for key in keys if record.version == 1 else reversed(keys):
            try:
                return frame_within(self.objects.view(key), record, number)
            except (Missing, Damaged):
                continue
        raise Damaged(f"frame {number} of {record.path} is missing, or is not the one that was stored")

    def _from_one_object(self, record: Record, numbers: Sequence[int]) -> list[memoryview]:
        rows, are_kept = self._rows(record, numbers)
        try:
            return self._frames_at(record, rows)
        except Damaged:
            self.tables.forget(record)
            if not are_kept:
                raise
        return self._frames_at(record, self._rows(record, numbers)[0])  # it may have been repaired since

    def _rows(self, record: Record, numbers: Sequence[int]) -> tuple[list[Row], bool]:
        try:
            return self.tables.rows(record, numbers)
        except Missing as error:
            raise Damaged(f"the table of the frames of {record.path} is missing") from error

    def _frames_at(self, record: Record, rows: Sequence[Row]) -> list[memoryview]:
        if any(offset + length > _most_bytes(record) for offset, length, *_ in rows):
            raise Damaged(f"the table of the frames of {record.path} says what cannot be")
        offsets, lengths = [row[0] for row in rows], [row[1] for row in rows]
        try:
            frames = self.objects.read_ranges(layout.version(record.origin.sha256, "all"), offsets, lengths)
        except Missing as error:
            raise Damaged(f"the frames of {record.path} are missing") from error
        for frame, (_, length, checksum, _) in zip(frames, rows, strict=True):
            if len(frame) != length or xxhash.xxh3_64_intdigest(frame) != checksum:
                raise Damaged(f"a frame of {record.path} is not the one that was stored")
        return frames


def _most_bytes(record: Record) -> int:
    """Of all frames: those of the source, unless it is deflated; frames of single bits may each begin a byte more. No
    memory is asked for what a damaged table has beyond."""
    return max(record.origin.size + record.number_of_frames, LARGEST_INFLATED)
