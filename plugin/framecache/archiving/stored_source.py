"""A stored instance as what an archive is filled with."""

from __future__ import annotations

from contextlib import ExitStack

from framecache.dicom.byte_reader import ByteReader
from framecache.errors import Stopping
from framecache.instances.entry import Entry
from framecache.instances.stored_files import StoredFiles
from framecache.tree.source import Source
from framecache.worker import Worker


def source_of(entry: Entry, files: StoredFiles, worker: Worker, database: str) -> Source:
    """The source of an entry, read wherever its file is; reading ends as soon as the worker has to stop. `database` is
    a name of Orthanc's."""
    instance = entry.instance

    def open_file() -> ByteReader:
        return _Opened(files, entry, worker)

    return Source(instance.orthanc_id, open_file, instance.attachment_uuid, instance.md5, database)


class _Opened:
    """A stored file that is open until it is closed."""

    def __init__(self, files: StoredFiles, entry: Entry, worker: Worker) -> None:
        self._worker, self._stack = worker, ExitStack()
        self._reader = self._stack.enter_context(files.open_as_stored(entry, whole=True))
        self.size = self._reader.size

    def read_at(self, offset: int, length: int) -> bytes:
        self._check()
        return self._reader.read_at(offset, length)

    def read_into(self, offset: int, target: memoryview) -> None:
        self._check()
        self._reader.read_into(offset, target)

    def close(self) -> None:
        self._stack.close()

    def _check(self) -> None:
        if self._worker.is_stopping:
            raise Stopping
