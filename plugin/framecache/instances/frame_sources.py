"""The frames of a stored instance, from the storage directory where that is possible, else through Orthanc."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from framecache.dicom import frame_index
from framecache.dicom.byte_reader import ByteReader, FileReader, MemoryReader
from framecache.dicom.deflated import readable
from framecache.dicom.frame_source import FrameSource, LocatedFrames
from framecache.dicom.frame_table import FrameTable
from framecache.dicom.pixel_data import locate_frames
from framecache.dicom.transfer_syntax import is_sent_as_it_lies
from framecache.errors import HandOver
from framecache.instances.entry import Entry
from framecache.orthanc.instance import Instance
from framecache.orthanc.instance_index import InstanceIndex
from framecache.ports import OrthancApi
from framecache.shared_buffers import SharedBuffer, SharedBuffers
from framecache.single_flight import SingleFlight

_LARGEST_IN_MEMORY = 512 << 20
_PATIENCE, _PATIENCE_FOR_MEMORY = 60.0, 20.0


class FrameSources:
    """Opens the frames of an entry."""

    def __init__(self, api: OrthancApi, contents: SharedBuffers) -> None:
        """`contents` is where instances lie that are deflated, or not in a plain file."""
        self._index, self._contents = InstanceIndex(api), contents
        self._tables: SingleFlight[FrameTable] = SingleFlight(_PATIENCE)

    @contextmanager
    def open(self, entry: Entry, *, whole: bool = False) -> Iterator[FrameSource]:
        """The frames of `entry`; `whole` says that all of them will be read.

        Raises HandOver, SourceError, Overloaded.
        """
        syntax, version = entry.instance.transfer_syntax_uid, entry.instance.attachment_uuid
        if entry.stored_path is not None:
            with (
                FileReader(entry.stored_path, whole=whole) as stored,
                readable(stored, syntax, self._contents, ("inflated", version)) as reader,
            ):
                yield LocatedFrames(reader, self._table(entry, reader))
        elif entry.instance.file_size > _LARGEST_IN_MEMORY:
            # Not frame by frame: the core cuts those out of what it has parsed before, which it keeps by the instance's
            # ID, so that after an overwrite they can be of the version before.
            raise HandOver("the instance is too large to be read whole, and does not lie in a plain file")
        else:
            with (
                self._contents.hold(("fetched", version), partial(self._fetch, entry.instance)) as content,
                readable(MemoryReader(content), syntax, self._contents, ("inflated", version)) as reader,
            ):
                yield LocatedFrames(reader, self._table(entry, reader))

    def index(self, entry: Entry) -> bytes:
        """The index of an instance, as the store keeps it. Raises HandOver, SourceError."""
        if entry.stored_path is None or not lie_open(entry):
            raise HandOver("the frames do not lie in a plain file as they are sent: there is nothing to index")
        instance = entry.instance
        with FileReader(entry.stored_path, whole=False) as stored:
            return frame_index.pack(self._table(entry, stored), stored, instance.attachment_uuid)

    def _fetch(self, instance: Instance, content: SharedBuffer) -> bytes:
        """The stored file as Orthanc reads it. Raises InstanceGone, NotFound, SourceError."""
        self._contents.take(instance.file_size, content, _PATIENCE_FOR_MEMORY)
        return self._index.file(instance)

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
