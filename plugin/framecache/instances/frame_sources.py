"""The frames of a stored instance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from framecache.dicom import frame_index
from framecache.dicom.byte_reader import ByteReader, FileReader
from framecache.dicom.frame_source import FrameSource, LocatedFrames
from framecache.dicom.frame_table import FrameTable
from framecache.dicom.pixel_data import locate_frames
from framecache.dicom.transfer_syntax import is_sent_as_it_lies
from framecache.errors import HandOver
from framecache.instances.archive import Archive
from framecache.instances.archived_frames import ArchivedFrames
from framecache.instances.entry import Entry
from framecache.instances.stored_files import StoredFiles
from framecache.single_flight import SingleFlight

_PATIENCE = 60.0


class FrameSources:
    """Opens the frames of an entry."""

    def __init__(self, files: StoredFiles, archive: Archive | None = None) -> None:
        """`archive` is asked for frames whose stored file can only be had as a whole."""
        self._files, self._archive = files, archive
        self._tables: SingleFlight[FrameTable] = SingleFlight(_PATIENCE)

    @contextmanager
    def open(self, entry: Entry, *, whole: bool = False) -> Iterator[FrameSource]:
        """The frames of `entry`; `whole` says that all of them will be read.

        Raises HandOver, SourceError, Overloaded.
        """
        with ExitStack() as opened:
            stored = partial(self._stored, entry, opened, whole=whole)
            archive = None if self._files.has_parts(entry) else self._archive
            record = archive.record(entry.instance, whole=whole) if archive else None
            yield ArchivedFrames(record, archive.frame, stored) if archive and record else stored()

    def made(self, entry: Entry, transfer_syntax_uid: str, number: int) -> bytes | None:
        """A frame in another form than the stored one, where the archive has it, and the stored file is far away."""
        if self._archive is None or self._files.has_parts(entry):
            return None
        record = self._archive.record(entry.instance)
        return self._archive.frame_in(record, transfer_syntax_uid, number) if record else None

    def _stored(self, entry: Entry, opened: ExitStack, *, whole: bool) -> FrameSource:
        reader = opened.enter_context(self._files.open(entry, whole=whole))
        return LocatedFrames(reader, self._table(entry, reader))

    def index(self, entry: Entry) -> bytes:
        """The index of an instance, as the store keeps it. Raises HandOver, SourceError."""
        if entry.stored_path is None or not lie_open(entry):
            raise HandOver("the frames do not lie in a plain file as they are sent: there is nothing to index")
        instance = entry.instance
        with FileReader(entry.stored_path, whole=False) as stored:
            return frame_index.pack(self._table(entry, stored), stored, instance.attachment_uuid)

    def _table(self, entry: Entry, reader: ByteReader) -> FrameTable:
        if entry.index is not None:
            return entry.index
        if entry.frame_table is None:
            entry.frame_table = self._tables.join(entry.instance.attachment_uuid, partial(_locate, entry, reader))
        return entry.frame_table


def _locate(entry: Entry, reader: ByteReader) -> FrameTable:
    instance = entry.instance
    return entry.frame_table or locate_frames(reader, instance.transfer_syntax_uid, instance.pixel_data_offset)


def lie_open(entry: Entry) -> bool:
    """Whether the frames lie in a plain file in the form in which they are sent."""
    return entry.stored_path is not None and is_sent_as_it_lies(entry.instance.transfer_syntax_uid)
