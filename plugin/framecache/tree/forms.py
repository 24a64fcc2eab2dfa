"""Frames in other forms, beside the stored ones: one object for all frames of a source, in one transfer syntax."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Protocol

import xxhash

from framecache.dicom.frame_source import LocatedFrames, read_frame
from framecache.errors import NotFound
from framecache.tree import layout
from framecache.tree.errors import Damaged, Missing
from framecache.tree.frame_writer import NOWHERE, ROW
from framecache.tree.objects import CHUNK, Objects
from framecache.tree.record import Record
from framecache.tree.source import Source, opened

_IN_MEMORY = 32 << 20  # bytes: more are written to a temporary file before they are sent
_FRAMES_AT_ONCE = 16


class FormMaker(Protocol):
    """Makes frames in one transfer syntax: framecache.codecs.lossless_form.LosslessForm."""

    @property
    def transfer_syntax_uid(self) -> str:
        """That of the frames that it makes."""

    def wants(self, stored_transfer_syntax_uid: str, /) -> bool:
        """Whether frames of this transfer syntax gain by it."""

    def make(self, header: bytes, frame: bytes | memoryview, number: int) -> bytes:
        """A stored frame in this form, without loss."""


@dataclass(frozen=True, slots=True)
class Forms:
    """Raises Unreachable."""

    objects: Objects

    def write(self, source: Source, maker: FormMaker) -> bool:
        """Make all frames of a source, unless they are there or are not wanted; whether they were made.

        Nothing is written unless all can be made. Raises SourceError, CodecError, Overloaded.
        """
        with opened(source) as instance:
            number = instance.number_of_frames
            key = layout.form(instance.origin.sha256, maker.transfer_syntax_uid)
            if not number or not maker.wants(instance.transfer_syntax_uid) or self.objects.head(key) is not None:
                return False
            with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
                _make(instance.frames, maker, file)
                file.seek(0)
                self.objects.replace_with_stream(key, iter(lambda: file.read(CHUNK), b""))
        return True

    def has(self, record: Record, transfer_syntax_uid: str) -> bool:
        """Whether there are frames in this form, whole or not."""
        return self.objects.head(layout.form(record.origin.sha256, transfer_syntax_uid)) is not None

    def read(self, record: Record, transfer_syntax_uid: str, numbers: Sequence[int]) -> list[memoryview]:
        """Frames in this form. Raises NotFound if there are none, Damaged if one is not what was written."""
        record.check_frames(numbers)
        key = layout.form(record.origin.sha256, transfer_syntax_uid)
        listed = self.objects.head(key)
        if listed is None:
            raise NotFound("the archive has no frames in this form")
        table = listed.size - record.number_of_frames * ROW.size
        try:
            return self._read(key, table, numbers)
        except Missing:
            raise NotFound("the archive has no frames in this form any more") from None

    def _read(self, key: str, table: int, numbers: Sequence[int]) -> list[memoryview]:
        if table < 0:
            raise Damaged(f"{key} is cut off")
        starts = [table + (number - 1) * ROW.size for number in numbers]
        places = [ROW.unpack(row) for row in self.objects.read_ranges(key, starts, [ROW.size] * len(starts))]
        if any(not 0 < length <= table - offset for offset, length, *_ in places):
            raise Damaged(f"{key} has no table of its frames")
        frames = self.objects.read_ranges(key, [place[0] for place in places], [place[1] for place in places])
        for frame, (_, length, checksum, _) in zip(frames, places, strict=True):
            if len(frame) != length or xxhash.xxh3_64_intdigest(frame) != checksum:
                raise Damaged(f"a frame in {key} is not the one that was made")
        return frames

    def remove_damaged(self, record: Record) -> Iterator[str]:
        """Read all, and remove objects that are not what was written; their keys. They can be made anew."""
        for uid in layout.FORMS if record.number_of_frames else ():
            try:
                for first in range(1, record.number_of_frames + 1, _FRAMES_AT_ONCE):
                    last = min(first + _FRAMES_AT_ONCE, record.number_of_frames + 1)
                    self.read(record, uid, range(first, last))
            except NotFound:
                continue
            except Damaged:
                key = layout.form(record.origin.sha256, uid)
                self.objects.delete([key])
                yield key


def _make(frames: LocatedFrames, maker: FormMaker, file: IO[bytes]) -> None:
    """All frames one after the other, and their table behind them: so they are made before it is known how long."""
    header, rows, offset = frames.header(), bytearray(), 0
    for number in range(1, frames.number_of_frames + 1):
        made = maker.make(header, read_frame(frames, number), number)
        file.write(made)
        rows += ROW.pack(offset, len(made), xxhash.xxh3_64_intdigest(made), NOWHERE)
        offset += len(made)
    file.write(rows)
