"""Where the bytes of one frame, in one form, come from: the cache, the stored file, or a codec."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

from framecache.archive.catalogue import CachedBlock, Entry
from framecache.archive.sources import FrameSource, Sources
from framecache.cache import block
from framecache.cache.block import BlockFrame, BrokenBlock
from framecache.codecs.process.errors import CodecUnavailable
from framecache.dicom.pixel_data import Extent
from framecache.dicom.stored_frame import read_stored_frame
from framecache.dicom.transfer_syntax import Representation, stored_representation
from framecache.errors import FrameCacheError, HandOver, InstanceGone, NotFound
from framecache.flights import Flights

_PATIENCE = 60.0


class Piece(Protocol):
    """One frame of an answer."""

    @property
    def number(self) -> int:
        """The frame number, from 1."""

    @property
    def length(self) -> int:
        """Bytes."""

    @property
    def is_hit(self) -> bool:
        """Whether it comes from the cache."""

    def read_into(self, target: memoryview) -> None:
        """Fill `target`, which has its length. Raises DamagedPiece, SourceError."""


class DamagedPiece(FrameCacheError):
    """A cached frame is not what was written, or is gone; the block has been dropped, so ask again."""


class Codecs(Protocol):
    """Makes other forms of one frame; `header` is the stored file up to its pixel data element."""

    def transcode(
        self, header: bytes, frame: bytes | memoryview, frame_number: int, target_transfer_syntax_uid: str
    ) -> bytes:
        """The frame in another transfer syntax."""

    def render(
        self, header: bytes, frame: bytes | memoryview, frame_number: int, parameters: Mapping[str, object]
    ) -> bytes:
        """The frame as a picture."""


class Keeping(Protocol):
    """Who writes down what was made."""

    def keep(self, entry: Entry, form: str, frame_number: int, content: bytes) -> None:
        """Keep one frame in the form of that key. Returns at once."""


class Form(Protocol):
    """What a frame is asked for as."""

    @property
    def key(self) -> str:
        """Its name in the store: letters, digits, dots and dashes."""

    @property
    def content_type(self) -> str:
        """The media type of the bytes, with its parameters."""

    def make(self, codecs: Codecs, header: bytes, frame: bytes | memoryview, frame_number: int) -> bytes:
        """This form of a stored frame."""


@dataclass(frozen=True, slots=True)
class Transcoded:
    """A frame in a transfer syntax, stored or not."""

    representation: Representation

    @property
    def key(self) -> str:
        return self.representation.transfer_syntax_uid

    @property
    def content_type(self) -> str:
        return self.representation.content_type

    def make(self, codecs: Codecs, header: bytes, frame: bytes | memoryview, frame_number: int) -> bytes:
        return codecs.transcode(header, frame, frame_number, self.representation.transfer_syntax_uid)


class Frames:
    """Finds pieces."""

    def __init__(self, sources: Sources, codecs: Codecs | None, keeping: Keeping) -> None:
        self._sources, self._codecs, self._keeping = sources, codecs, keeping
        self._flights: Flights[bytes] = Flights(_PATIENCE)

    @property
    def can_transcode(self) -> bool:
        """Whether there are codecs."""
        return self._codecs is not None

    def open(self, entry: Entry, stack: ExitStack) -> OpenFrames:
        """The frames of `entry`; what is opened for them is closed with `stack`."""
        return OpenFrames(self, entry, stack)

    def source(self, entry: Entry, stack: ExitStack) -> FrameSource:
        """The stored frames. Raises HandOver, SourceError."""
        try:
            return stack.enter_context(self._sources.open(entry))
        except InstanceGone as error:
            raise HandOver("the instance was deleted or replaced meanwhile") from error

    def make(self, entry: Entry, source: FrameSource, form: Form, number: int) -> bytes:
        """A form that is not stored; several who ask for it at once wait for the first."""
        codecs = self._codecs
        if codecs is None:
            raise HandOver("the frame has to be transcoded")

        def work() -> bytes:
            try:
                made = form.make(codecs, source.header(), _read(source, number), number)
            except CodecUnavailable as error:
                raise HandOver(str(error)) from error
            self._keeping.keep(entry, form.key, number, made)
            return made

        return self._flights.join((entry.instance.attachment_uuid, form.key, number), work)


class OpenFrames:
    """The frames of one entry during one answer. The stored file is opened when the first frame needs it."""

    def __init__(self, frames: Frames, entry: Entry, stack: ExitStack) -> None:
        self._frames, self._entry, self._stack = frames, entry, stack
        self._stored_form = stored_representation(entry.instance.transfer_syntax_uid)
        self._source: FrameSource | None = None

    @property
    def number_of_frames(self) -> int:
        """NumberOfFrames (0028,0008) of the stored file."""
        return (self._entry.index or self._opened()).number_of_frames

    def piece(self, form: Form, number: int) -> Piece:
        """Frame `number` in this form. Raises NotFound past the end, HandOver, SourceError."""
        return self._cached(form, number) or self._indexed(form, number) or self._not_cached(form, number)

    def _cached(self, form: Form, number: int) -> Piece | None:
        cached = self._entry.blocks.get((form.key, number))
        try:
            located = cached.frame(number) if cached else None
        except BrokenBlock:
            located = None
            self._entry.drop(cached.row) if cached else None
        return _CachedPiece(number, located, cached, self._entry) if cached and located else None

    def _indexed(self, form: Form, number: int) -> Piece | None:
        index, path = self._entry.index, self._entry.stored_path
        if index is None or path is None or number > index.number_of_frames or not self._is_stored(form):
            return None
        return _IndexedPiece(number, index.extents(number - 1), path)

    def _is_stored(self, form: Form) -> bool:
        return self._stored_form is not None and form.key == self._stored_form.transfer_syntax_uid

    def _not_cached(self, form: Form, number: int) -> Piece:
        source = self._opened()
        if number > source.number_of_frames:
            raise NotFound(f"there is no frame {number}: the instance has {source.number_of_frames} frames")
        if self._is_stored(form):
            return _StoredPiece(number, source.frame_length(number - 1), source)
        return _MadePiece(number, self._frames.make(self._entry, source, form, number))

    def _opened(self) -> FrameSource:
        if self._source is None:
            self._source = self._frames.source(self._entry, self._stack)
        return self._source


@dataclass(frozen=True, slots=True)
class _CachedPiece:
    number: int
    located: BlockFrame
    cached: CachedBlock
    entry: Entry
    is_hit: bool = True

    @property
    def length(self) -> int:
        return self.located.length

    def read_into(self, target: memoryview) -> None:
        try:
            block.read_frame(self.cached.row.path, self.located, target)
        except BrokenBlock as error:
            self.entry.drop(self.cached.row)
            raise DamagedPiece(str(error)) from error


@dataclass(frozen=True, slots=True)
class _IndexedPiece:
    """A frame whose place in the stored file is known."""

    number: int
    extents: tuple[Extent, ...]
    path: str
    is_hit: bool = True

    @property
    def length(self) -> int:
        return sum(extent.length for extent in self.extents)

    def read_into(self, target: memoryview) -> None:
        try:
            read_stored_frame(self.path, self.extents, target)
        except InstanceGone as error:
            raise HandOver("the instance was deleted or replaced meanwhile") from error


@dataclass(frozen=True, slots=True)
class _StoredPiece:
    number: int
    length: int
    source: FrameSource
    is_hit: bool = False

    def read_into(self, target: memoryview) -> None:
        self.source.read_frame(self.number - 1, target)


@dataclass(frozen=True, slots=True)
class _MadePiece:
    number: int
    content: bytes
    is_hit: bool = False

    @property
    def length(self) -> int:
        return len(self.content)

    def read_into(self, target: memoryview) -> None:
        target[:] = self.content


def _read(source: FrameSource, number: int) -> memoryview:
    frame = bytearray(source.frame_length(number - 1))
    with memoryview(frame) as target:
        source.read_frame(number - 1, target)
    return memoryview(frame)
