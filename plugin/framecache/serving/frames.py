"""Where the bytes of one frame, in one form, come from: the cache, the stored file, or a codec."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Protocol

from framecache.archive.catalogue import CachedBlock, Entry
from framecache.archive.sources import FrameSource, Sources
from framecache.cache import block
from framecache.cache.block import BlockFrame, BrokenBlock
from framecache.codecs.process.errors import CodecUnavailable
from framecache.dicom.frame_table import Extent, FrameTable
from framecache.dicom.stored_frame import read_stored_frame
from framecache.dicom.transfer_syntax import Representation, stored_representation
from framecache.errors import BrokenPixelData, FrameCacheError, HandOver, InstanceGone, NotFound
from framecache.flights import Flights, SharedReads
from framecache.metrics import MissCause

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

    @property
    def is_made(self) -> bool:
        """Whether a codec made it for this answer."""

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
        try:
            return stack.enter_context(self._sources.open(entry))
        except InstanceGone as error:
            raise HandOver("the instance was deleted or replaced meanwhile") from error

    def stored(self, entry: Entry, source: FrameSource, number: int) -> Piece:
        """A frame as it is stored; several who ask for it at once wait for the first. Raises SourceError."""
        read = partial(self._reads.read_into, (entry.instance.attachment_uuid, number))
        return _StoredPiece(number, source.frame_length(number - 1), source, read)

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
        if _is_stored(self._entry, form.key):
            return self._frames.stored(self._entry, source, number)
        return _MadePiece(number, self._frames.make(self._entry, source, form, number))

    def _opened(self) -> FrameSource:
        if self._source is None:
            self._source = self._frames.source(self._entry, self._stack)
        return self._source


def known_piece(entry: Entry, form_key: str, number: int) -> Piece | None:
    """Frame `number`, if memory knows where it lies: in the cache, or by the index in the stored file."""
    return _cached_piece(entry, form_key, number) or _indexed_piece(entry, form_key, number)


def _cached_piece(entry: Entry, form_key: str, number: int) -> Piece | None:
    cached = entry.blocks.get((form_key, number))
    if cached is None:
        return None
    try:
        located = cached.frame(number)
    except BrokenBlock as error:
        entry.drop(cached.row, error)
        return None
    return _CachedPiece(number, located.length, located, cached, entry) if located else None


def _indexed_piece(entry: Entry, form_key: str, number: int) -> Piece | None:
    index, path = entry.index, entry.stored_path
    if index is None or path is None or number > index.number_of_frames or not _is_stored(entry, form_key):
        return None
    return _IndexedPiece(number, index.extents(number - 1), path)


def _is_stored(entry: Entry, form_key: str) -> bool:
    stored = stored_representation(entry.instance.transfer_syntax_uid)
    return stored is not None and form_key == stored.transfer_syntax_uid


@dataclass(slots=True)  # not frozen: that takes thrice as long to make, and one is made for each hit
class _CachedPiece:
    number: int
    length: int
    located: BlockFrame
    cached: CachedBlock
    entry: Entry
    is_hit: ClassVar[bool] = True
    is_made: ClassVar[bool] = False

    def read_into(self, target: memoryview) -> None:
        try:
            block.read_frame(self.cached.row.path, self.located, target)
        except BrokenBlock as error:
            self.entry.drop(self.cached.row, error)
            raise DamagedPiece(str(error)) from error


@dataclass(frozen=True, slots=True)
class _IndexedPiece:
    """A frame whose place in the stored file is known."""

    number: int
    extents: tuple[Extent, ...]
    path: str
    is_hit: ClassVar[bool] = True
    is_made: ClassVar[bool] = False

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
    share: Callable[[memoryview, Callable[[memoryview], None]], None]
    is_hit: ClassVar[bool] = False
    is_made: ClassVar[bool] = False

    def read_into(self, target: memoryview) -> None:
        self.share(target, partial(self.source.read_frame, self.number - 1))


@dataclass(frozen=True, slots=True)
class _MadePiece:
    number: int
    content: bytes
    is_hit: ClassVar[bool] = False
    is_made: ClassVar[bool] = True

    @property
    def length(self) -> int:
        return len(self.content)

    def read_into(self, target: memoryview) -> None:
        target[:] = self.content


def _check_exists(source: FrameSource | FrameTable, number: int) -> None:
    if number > source.number_of_frames:
        raise NotFound(f"there is no frame {number}: the instance has {source.number_of_frames} frames")
    if number > source.frames_present:
        raise BrokenPixelData(f"frame {number} is missing: the stored file has the first {source.frames_present} only")


def _read(source: FrameSource, number: int) -> memoryview:
    frame = bytearray(source.frame_length(number - 1))
    with memoryview(frame) as target:
        source.read_frame(number - 1, target)
    return memoryview(frame)
