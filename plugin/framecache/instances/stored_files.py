"""Opens the stored file of an instance: in a folder, by range in a bucket, else as a whole through Orthanc."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Protocol

from framecache.dicom.byte_reader import ByteReader, FileReader, MemoryReader
from framecache.dicom.deflated import readable
from framecache.dicom.ranged_reader import FallbackReader, OutOfReach
from framecache.errors import HandOver
from framecache.instances.entry import Entry
from framecache.orthanc.instance import DescribedInstance, Instance
from framecache.orthanc.instance_index import InstanceIndex
from framecache.ports import OrthancApi
from framecache.shared_buffers import SharedBuffer, SharedBuffers

logger = logging.getLogger(__name__)

_LARGEST_IN_MEMORY = 512 << 20
_PATIENCE_FOR_MEMORY = 20.0


class RemoteFiles(Protocol):
    """Stored files that are not on this machine."""

    def holds(self, instance: DescribedInstance) -> bool:
        """Whether the file of this version may be there, to be read by position."""

    def open(self, instance: DescribedInstance, *, whole: bool) -> ByteReader:
        """A reader of it, which raises OutOfReach where something is wrong with it. `whole`: most will be read."""


class StoredFiles:
    """Whoever reads a part of a file reads it through here, and needs not know where the file is."""

    def __init__(self, api: OrthancApi, contents: SharedBuffers, remote: RemoteFiles | None = None) -> None:
        """`contents` is where instances lie that are deflated, or that only Orthanc can read."""
        self._index, self._contents, self._remote = InstanceIndex(api), contents, remote

    @contextmanager
    def open(self, entry: Entry, *, whole: bool = False) -> Iterator[ByteReader]:
        """The DICOM file of `entry`, inflated where it is a deflated one; `whole` says that most of it will be read.

        Raises HandOver, InstanceGone, NotFound, SourceError, Overloaded; and so may reads of it.
        """
        instance = entry.instance
        key = ("inflated", instance.attachment_uuid)
        with ExitStack() as opened:
            stored = self._open(entry, opened, whole=whole)
            yield opened.enter_context(readable(stored, instance.transfer_syntax_uid, self._contents, key))

    def has_parts(self, entry: Entry) -> bool:
        """Whether parts of the file can be read without the whole."""
        return entry.stored_path is not None or (self._remote is not None and self._remote.holds(entry.instance))

    @contextmanager
    def open_as_stored(self, entry: Entry, *, whole: bool = False) -> Iterator[ByteReader]:
        """The same with a deflated one as it is."""
        with ExitStack() as opened:
            yield self._open(entry, opened, whole=whole)

    def _open(self, entry: Entry, opened: ExitStack, *, whole: bool) -> ByteReader:
        if entry.stored_path is not None:
            return opened.enter_context(FileReader(entry.stored_path, whole=whole))
        remote = self.remote(entry.instance, opened, whole=whole)
        return self._in_memory(entry.instance, opened) if remote is None else remote

    def remote(self, instance: Instance, opened: ExitStack, *, whole: bool) -> ByteReader | None:
        """A reader of the file where it is elsewhere, and of what Orthanc has of it where that fails; else None."""
        if self._remote is None or not self._remote.holds(instance):
            return None

        def instead(error: OutOfReach) -> ByteReader:
            logger.info("asking Orthanc for a file: %s", error)
            return self._in_memory(instance, opened)

        reader = FallbackReader(self._remote.open(instance, whole=whole), instead)
        opened.callback(reader.close)
        return reader

    def _in_memory(self, instance: Instance, opened: ExitStack) -> ByteReader:
        if instance.file_size > _LARGEST_IN_MEMORY:
            # Not frame by frame: the core cuts those out of what it has parsed before, which it keeps by the instance's
            # ID, so that after an overwrite they can be of the version before.
            raise HandOver("the instance is too large to be read whole, and does not lie in a plain file")
        held = self._contents.hold(("fetched", instance.attachment_uuid), partial(self._fetch, instance))
        return MemoryReader(opened.enter_context(held))

    def _fetch(self, instance: Instance, content: SharedBuffer) -> bytes:
        """The stored file as Orthanc reads it. Raises InstanceGone, NotFound, SourceError."""
        self._contents.take(instance.file_size, content, _PATIENCE_FOR_MEMORY)
        return self._index.file(instance)
