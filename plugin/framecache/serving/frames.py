"""Where the bytes of one frame, in one form, come from: the cache, the stored file, or a codec."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Protocol

from framecache.codecs.process.errors import CodecUnavailable
from framecache.dicom.frame_table import FrameTable
from framecache.errors import BrokenPixelData, NotFound
from framecache.instances.entry import Entry
from framecache.instances.frame_source import FrameSource, FrameSources
from framecache.plurals import counted
from framecache.serving.form import Codecs, Form
from framecache.serving.piece import MadePiece, Piece, StoredPiece, is_stored, known_piece
from framecache.single_flight import SharedReads, SingleFlight
from framecache.telemetry.metrics import MissCause

_PATIENCE = 60.0


class Keeping(Protocol):
    """Who writes down what was made."""

    def keep(self, entry: Entry, form: str, frame_number: int, content: bytes) -> None:
        """Keep one frame in the form of that key. Returns at once."""


class Frames:
    """Finds pieces."""

    def __init__(self, sources: FrameSources, codecs: Codecs | None, keeping: Keeping) -> None:
        self._sources, self._codecs, self._keeping = sources, codecs, keeping
        self._flights: SingleFlight[bytes] = SingleFlight(_PATIENCE)
        self._reads = SharedReads(_PATIENCE)

    @property
    def can_transcode(self) -> bool:
        """Whether there are codecs."""
        return self._codecs is not None

    def open(self, entry: Entry, stack: ExitStack) -> OpenFrames:
        """The frames of `entry`; what is opened for them is closed with `stack`."""
        return OpenFrames(self, entry, stack)

    def source(self, entry: Entry, stack: ExitStack) -> FrameSource:
        """The stored frames. Raises HandOver, SourceError."""
        return stack.enter_context(self._sources.open(entry))

    def stored(self, entry: Entry, source: FrameSource, number: int) -> Piece:
        """A frame as it is stored; several who ask for it at once wait for the first. Raises SourceError."""
        read = partial(self._reads.read_into, (entry.instance.attachment_uuid, number))
        return StoredPiece(number, source.frame_length(number - 1), source, read)

    def make(self, entry: Entry, source: FrameSource, form: Form, number: int) -> bytes:
        """A form that is not stored; several who ask for it at once wait for the first. Raises CodecError."""
        codecs = self._codecs
        if codecs is None:
            raise CodecUnavailable('there are no helper processes: "CodecProcesses" is 0')

        def work() -> bytes:
            made = form.make(codecs, source.header(), read_frame(source, number), number)
            self._keeping.keep(entry, form.key, number, made)
            return made

        return self._flights.join((entry.instance.attachment_uuid, form.key, number), work)


class OpenFrames:
    """The frames of one entry during one answer. The stored file is opened when the first frame needs it."""

    def __init__(self, frames: Frames, entry: Entry, stack: ExitStack) -> None:
        self._frames, self._entry, self._stack = frames, entry, stack
        self._source: FrameSource | None = None

    def all_numbers(self) -> Sequence[int]:
        """The numbers of all frames. Raises BrokenPixelData where the stored file lacks some."""
        table = self._entry.index or self._opened()
        _check_exists(table, table.number_of_frames)
        return range(1, table.number_of_frames + 1)

    def why_missed(self, form: Form, piece: Piece, *, otherwise: MissCause) -> MissCause:
        """Why a piece did not come from the cache; `otherwise` where nothing of it was in the cache."""
        if piece.is_made:
            return "other_form"
        return self._entry.lost.get((form.key, piece.number), otherwise)

    def check_exist(self, form: Form, numbers: Sequence[int]) -> None:
        """Before an answer begins that would break off. Raises NotFound past the end, BrokenPixelData."""
        for number in numbers:
            if (form.key, number) not in self._entry.blocks:
                _check_exists(self._entry.index or self._opened(), number)

    def piece(self, form: Form, number: int) -> Piece:
        """Frame `number` in this form. Raises NotFound past the end, BrokenPixelData, HandOver, SourceError."""
        return known_piece(self._entry, form.key, number) or self._unknown(form, number)

    def _unknown(self, form: Form, number: int) -> Piece:
        source = self._opened()
        _check_exists(source, number)
        if is_stored(self._entry, form.key):
            return self._frames.stored(self._entry, source, number)
        return MadePiece(number, self._frames.make(self._entry, source, form, number))

    def _opened(self) -> FrameSource:
        if self._source is None:
            self._source = self._frames.source(self._entry, self._stack)
        return self._source


def _check_exists(source: FrameSource | FrameTable, number: int) -> None:
    if number > source.number_of_frames:
        raise NotFound(f"there is no frame {number}: the instance has {counted(source.number_of_frames, 'frame')}")
    if number > source.frames_present:
        raise BrokenPixelData(f"frame {number} is missing: the stored file has the first {source.frames_present} only")


def read_frame(source: FrameSource, number: int) -> memoryview:
    """Frame `number` as it is stored. Raises BrokenPixelData, SourceError."""
    frame = bytearray(source.frame_length(number - 1))
    with memoryview(frame) as target:
        source.read_frame(number - 1, target)
    return memoryview(frame)
