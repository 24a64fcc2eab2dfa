"""Where a worker reads stored files: in Orthanc's folder or bucket if it reaches them, else from Orthanc."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from framecache.dicom.byte_reader import ByteReader, FileReader, MemoryReader
from framecache.dicom.ranged_reader import FallbackReader
from framecache.errors import SourceError
from framecache.instances.stored_files import RemoteFiles
from framecache.orthanc.identifiers import is_uuid
from framecache.orthanc.instance import Instance, stored_path
from framecache.orthanc.instance_index import InstanceIndex
from framecache.ports import OrthancApi
from framecache.tree.record import Record
from framecache.tree.source import Source

_LARGEST_IN_MEMORY = 512 << 20


class StoredSources:
    """Opens the very version of an instance that a piece is about."""

    def __init__(self, api: OrthancApi, storage: Path | None = None, remote: RemoteFiles | None = None) -> None:
        """`storage` is Orthanc's StorageDirectory, as this machine sees it."""
        self._index, self._storage, self._remote = InstanceIndex(api), storage, remote

    def source(self, instance: Instance) -> Source:
        """Its stored file, to be opened by whoever adds it. Opening raises SourceError, and NotFound."""
        return Source(instance.orthanc_id, lambda: self._open(instance), instance.attachment_uuid, instance.md5)

    def of_record(self, record: Record) -> Source | None:
        """The file that a record of an archive was made of, where this machine sees it."""
        uuid = record.origin.attachment_uuid
        if self._storage is None or not is_uuid(uuid):
            return None
        path = stored_path(self._storage, uuid)
        return replace(Source.file(path), attachment_uuid=uuid, md5=record.origin.md5) if os.path.exists(path) else None

    def _open(self, instance: Instance) -> ByteReader:
        if (path := self._plain_file(instance)) is not None:
            return FileReader(path)
        if self._remote is not None and self._remote.holds(instance):
            return FallbackReader(self._remote.open(instance, whole=True), lambda _: self._fetched(instance))
        return self._fetched(instance)

    def _plain_file(self, instance: Instance) -> str | None:
        """None if it is not there, or not as it was sent: Orthanc may compress what it stores."""
        if self._storage is None or instance.stored_size != instance.file_size:
            return None
        path = stored_path(self._storage, instance.attachment_uuid)
        try:
            return path if os.stat(path).st_size == instance.file_size else None
        except OSError:
            return None

    def _fetched(self, instance: Instance) -> MemoryReader:
        if instance.file_size > _LARGEST_IN_MEMORY:
            raise SourceError("the instance is too large to be read through Orthanc: give the worker its storage")
        return MemoryReader(self._index.file(instance))
