"""What an archive is filled with: stored DICOM files, from a disk, from memory or from Orthanc."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from framecache.closing import Closing
from framecache.dicom.byte_reader import ByteReader, FileReader, MemoryReader, read_in_chunks
from framecache.dicom.data_set import Header, read_header, read_transfer_syntax_uid
from framecache.dicom.deflated import readable
from framecache.dicom.fragments import item_at, read_fragments
from framecache.dicom.frame_source import LocatedFrames
from framecache.dicom.frame_table import Extent, Extents, FramePlace, FrameTable
from framecache.dicom.identity import InstancePath, is_identifier
from framecache.dicom.model.character_sets import LATIN_1
from framecache.dicom.model.dicom_json import dicom_json_members
from framecache.dicom.pixel_data import locate_frames_below
from framecache.dicom.transfer_syntax import Encoding, is_sent_as_it_lies, lookup, stored_representation
from framecache.errors import BrokenPixelData, HandOver, NoPixelData, UnreadableHeader
from framecache.shared_buffers import SharedBuffers
from framecache.threads import start_thread
from framecache.tree.json_object import text_of
from framecache.tree.layout import bulk_data_uri
from framecache.tree.record import Metadata, Origin

_IN_MEMORY = 16 << 20  # bytes: smaller files are read once, as a whole
_READ = 1 << 20
_HASHED = 4 << 20  # bytes at once: between two pieces, the thread waits for the others
_USUAL_HEADER = 1 << 15
_SHORT = 512  # characters of an element
LARGEST_INFLATED = 256 << 20
_LARGEST_WITHOUT_PIXELS = 256 << 20
BULK_DATA_FROM = 16 << 10  # bytes: larger binary values leave the metadata
_PIXEL_DATA = "7FE00010"
_PIXELS = frozenset({"7fe00010", "7fe00008", "7fe00009"})
_UIDS = ("0020000D", "0020000E", "00080018")


@dataclass(frozen=True, slots=True)
class Source:
    """A stored file; `name` is for messages. Orthanc's attachment, its MD5 and a name of Orthanc's `database` are kept
    with what is made of it. One of a known `size` may be opened before its turn, beside others, by any thread."""

    name: str
    open: Callable[[], ByteReader]
    attachment_uuid: str = ""
    md5: str = ""
    database: str = ""
    size: int = 0

    @classmethod
    def file(cls, path: Path | str) -> Self:
        """A file on a disk."""
        try:
            size = os.stat(path).st_size
        except OSError:  # who opens it says why
            size = 0
        return cls(str(path), lambda: FileReader(path), size=size)

    @classmethod
    def content(cls, content: bytes, name: str = "memory") -> Self:
        """A file in memory."""
        return cls(name, lambda: MemoryReader(content))


class StoredInstance(Closing):
    """An opened source: who it is, and, once asked for, its metadata and frames. To be used as a context manager."""

    def __init__(self, reader: ByteReader, source: Source, checksum: Checksum, transfer_syntax_uid: str) -> None:
        self._reader, self._source, self._checksum = reader, source, checksum
        self.transfer_syntax_uid = transfer_syntax_uid
        self.bulk_data: dict[str, bytes] = {}
        self.resources = ExitStack()
        self._readers: list[Future[Any]] = []
        self._header: Header | None = None
        try:
            self._header = read_header(reader, transfer_syntax_uid, _USUAL_HEADER)
            content = self._header.content
        except NoPixelData:
            content = self._whole()
        self.metadata: Metadata = _canonical(
            dicom_json_members(content, transfer_syntax_uid, self._bulk_data, default_character_set=LATIN_1)
        )
        uids = [_uid(self.metadata, tag) for tag in _UIDS]
        if not all(map(is_identifier, uids)):
            raise UnreadableHeader("it has no usable Study, Series and SOP Instance UID")
        self.path = InstancePath(*uids)
        self._table: FrameTable | None = None

    def close(self) -> None:
        """Release what it is read from, once nobody reads it any more."""
        for reader in self._readers:
            with suppress(CancelledError):
                reader.exception()
        self.resources.close()

    def read_by(self, reader: Future[Any]) -> None:
        """Stay open until this is done."""
        self._readers.append(reader)

    @property
    def is_read(self) -> bool:
        """Whether closing it would have to wait."""
        return not all(reader.done() for reader in self._readers)

    @property
    def size(self) -> int:
        """Bytes of the source."""
        return self._checksum.size

    @property
    def origin(self) -> Origin:
        """What the record says of the source; waits until its checksum is known. Raises SourceError."""
        source = self._source
        return Origin(self._checksum.hexdigest(), self.size, source.attachment_uuid, source.md5, source.database)

    @property
    def video(self) -> Extents | None:
        """Where its one stream lies, if it is a video: that has no frames of its own (PS3.5 section 8.2.7)."""
        if self._header is None or lookup(self.transfer_syntax_uid).encoding is not Encoding.VIDEO:
            return None
        table = item_at(self._reader, self._header.pixel_data.offset)
        fragments = read_fragments(self._reader, table.offset + table.length) if table else None
        if not (fragments and fragments.are_delimited and len(fragments)):
            raise BrokenPixelData("the video's pixel data has no fragments, or ends within one")
        return Extents(tuple(map(Extent, fragments.offsets, fragments.lengths)))

    def refer_to_video(self, name: str) -> None:
        """Let the metadata say that the video is this bulk data."""
        element = {**json.loads(self.metadata[_PIXEL_DATA]), "BulkDataURI": bulk_data_uri(name)}
        self.metadata = {**self.metadata, _PIXEL_DATA: text_of(element)}

    @property
    def frames_transfer_syntax_uid(self) -> str:
        """That of the frames as they are served. Raises HandOver if they are none."""
        form = stored_representation(self.transfer_syntax_uid)
        if form is None:
            raise HandOver("the transfer syntax has no frames that are known")
        return form.transfer_syntax_uid

    @property
    def number_of_frames(self) -> int:
        """Raises BrokenPixelData if not all of them are there, SourceError, HandOver."""
        if self._header is None or lookup(self.transfer_syntax_uid).encoding is Encoding.VIDEO:
            return 0
        table = self._located()
        if table.frames_present < table.number_of_frames:
            raise BrokenPixelData(f"{table.number_of_frames - table.frames_present} frames are missing")
        return table.number_of_frames

    @property
    def frames(self) -> LocatedFrames:
        """Its frames as they are stored. Raises NoPixelData, SourceError."""
        return LocatedFrames(self._reader, self._located())

    def place(self, index: int) -> FramePlace:
        """Of the frame with this index, from 0."""
        return self._located().place(index, self._reader)

    def runs(self, place: FramePlace) -> tuple[Extent, ...]:
        """Where the frame lies in the stored file; none if it is not sent as it lies there."""
        is_as_stored = is_sent_as_it_lies(self.transfer_syntax_uid) and isinstance(place, Extents)
        return place.runs if is_as_stored and isinstance(place, Extents) else ()

    def read_into(self, place: FramePlace, target: memoryview) -> None:
        """Read a frame. Raises SourceError."""
        place.read_into(self._reader, target)

    def chunks(self, place: FramePlace) -> Iterator[bytes]:
        """A frame that is too large for memory, chunk by chunk."""
        if not isinstance(place, Extents):
            frame = bytearray(place.length)
            place.read_into(self._reader, memoryview(frame))
            yield bytes(frame)
            return
        for run in place.runs:
            for start in range(run.offset, run.offset + run.length, _READ):
                yield self._reader.read_at(start, min(_READ, run.offset + run.length - start))

    def _located(self) -> FrameTable:
        if self._header is None:
            raise NoPixelData
        if self._table is None:
            self._table = locate_frames_below(self._header, self._reader, self.transfer_syntax_uid)
        return self._table

    def _whole(self) -> bytes:
        if self._reader.size > _LARGEST_WITHOUT_PIXELS:
            raise UnreadableHeader("the file is too large for one without pixel data")
        return self._reader.read_at(0, self._reader.size)

    def _bulk_data(self, path: str, vr: str, length: int, value: Callable[[], memoryview]) -> str | None:  # noqa: ARG002
        if path in _PIXELS:
            return "frames"
        if length <= BULK_DATA_FROM:
            return None
        content = bytes(value())
        name = hashlib.sha256(content).hexdigest()
        self.bulk_data[name] = content
        return bulk_data_uri(name)


def _canonical(members: Iterable[str]) -> Metadata:
    """Of members as `"GGGGEEEE":{…}`."""
    texts = ((member[1:9], member[11:]) for member in members)
    return {tag: _known_text(text) if len(text) <= _SHORT else text_of(json.loads(text)) for tag, text in texts}


@lru_cache(4096)  # the instances of a series have most of their elements in common
def _known_text(element: str) -> str:
    return text_of(json.loads(element))


def _uid(metadata: Metadata, tag: str) -> str:
    values = json.loads(metadata.get(tag, "{}")).get("Value") or [""]
    return values[0] if isinstance(values[0], str) else ""


def opened(source: Source) -> StoredInstance:
    """Has to be closed. Raises SourceError, NotFound for one without UIDs, HandOver for what cannot be read."""
    with ExitStack() as resources:
        reader = resources.enter_context(closing(source.open()))
        is_small, in_memory = reader.size <= _IN_MEMORY, reader
        whole = reader.read_at(0, reader.size) if is_small else None
        if whole is not None and not isinstance(reader, MemoryReader):
            in_memory = MemoryReader(whole)
        transfer_syntax_uid = read_transfer_syntax_uid(in_memory)
        checksum = resources.enter_context(closing(Checksum(reader, whole)))
        buffers = SharedBuffers(LARGEST_INFLATED)
        content = resources.enter_context(readable(in_memory, transfer_syntax_uid, buffers, source.name))
        instance = StoredInstance(content, source, checksum, transfer_syntax_uid)
        instance.resources = resources.pop_all()
        return instance


class Checksum:
    """The SHA-256 of a source. Unless it is here as a `whole`, it is computed beside the writing of its frames."""

    def __init__(self, reader: ByteReader, whole: bytes | None = None) -> None:
        self.size, self._reader, self._is_closed = reader.size, reader, False
        self._result: Future[str] = Future()
        self._thread = start_thread("frame-cache-checksum", self._compute) if whole is None else None
        if whole is not None:
            self._result.set_result(hashlib.sha256(whole).hexdigest())

    def hexdigest(self) -> str:
        """Raises SourceError."""
        return self._result.result()

    def close(self) -> None:
        """Stop reading."""
        self._is_closed = True
        if self._thread is not None:
            self._thread.join()

    def _compute(self) -> None:
        checksum, buffer = hashlib.sha256(), memoryview(bytearray(_HASHED))
        try:
            for chunk in read_in_chunks(self._reader, 0, self.size, buffer):
                if self._is_closed:
                    break
                checksum.update(chunk)
            self._result.set_result(checksum.hexdigest())
        except Exception as error:  # noqa: BLE001 - whoever waits for it raises it again, or would wait for ever
            self._result.set_exception(error)
