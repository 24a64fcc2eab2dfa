"""A folder of DICOM files with its index."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import IO, Any

from framecache.client.collection import DicomJson, Outcome, StoredInstance
from framecache.client.errors import ForbiddenError
from framecache.client.files.importing import Imported, Importer
from framecache.client.files.scanning import Progress, Report, Scanner, version_of
from framecache.client.files.storing import FileStore
from framecache.client.forks import FORKS, ForkAware
from framecache.client.index import inventory
from framecache.client.index.entries import entry_of, row_of
from framecache.client.index.exchange import read_rows, write_rows
from framecache.client.index.local_index import LocalIndex, is_unicode
from framecache.dicom.byte_reader import ByteReader, FileReader
from framecache.dicom.frame_table import Extent
from framecache.dicomweb.query import Query
from framecache.errors import InstanceGone
from framecache.shared_buffers import SharedBuffers

_LARGEST_INFLATED = 2 << 30  # bytes of deflated files at once
_MOST_ANNOUNCED = 64 << 20  # bytes that are fetched before they are read


def default_index_path(folder: Path) -> Path:
    """Where the index of a folder is: among the user's caches, as the folder may be read-only, or not the user's."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    return caches / "framecache" / f"{name}.sqlite"


class VersionReader(FileReader):
    """Reads one version of a file: what was written in its place, meanwhile too, is never returned."""

    def __init__(self, path: Path, instance: StoredInstance, *, whole: bool) -> None:
        super().__init__(path, whole=whole)
        self._version = instance.size, instance.version

    def check(self) -> None:
        """Raises InstanceGone unless the file is as it was indexed."""
        status = self.status()
        if (status.st_size, version_of(status)) != self._version:
            raise InstanceGone("the file was replaced after it was indexed")

    def read_at(self, offset: int, length: int) -> bytes:
        try:
            return super().read_at(offset, length)
        finally:
            self.check()

    def scatter(self, offset: int, targets: Sequence[memoryview]) -> None:
        try:
            super().scatter(offset, targets)
        finally:  # a file that is cut short has changed, too
            self.check()


class FileCollection(ForkAware):
    """All DICOM files below a folder, whatever its shape. A pickled copy uses the same index, or its own in memory."""

    def __init__(self, folder: Path, index_path: Path | None, *, is_read_only: bool = False) -> None:
        """The index is in the file `index_path`, or in memory."""
        self._folder, self._is_read_only = folder, is_read_only
        self._index = LocalIndex(index_path)
        self._begin()

    def _begin(self) -> None:
        self._contents, self._lock_files = SharedBuffers(_LARGEST_INFLATED), set[IO[bytes]]()
        self._file: tuple[int, int] | None = None
        FORKS.tell(self)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_contents": None, "_lock_files": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()

    def after_fork(self) -> None:
        """Let go of the locks of scans that other threads of the old process do: as long as they are open here, too,
        nobody else can scan."""
        self._contents = SharedBuffers(_LARGEST_INFLATED)
        while self._lock_files:
            self._lock_files.pop().close()

    @property
    def folder(self) -> Path:
        """The folder."""
        return self._folder

    @property
    def index(self) -> LocalIndex:
        """Its index."""
        return self._index

    def update(self, report: Report | None = None) -> Progress:
        """Bring the index up to date; another process that does so is waited for, and readers go on meanwhile.

        Raises OSError where the folder cannot be listed, ForbiddenError where the index cannot be written.
        """
        if not self._index.is_writable:
            raise ForbiddenError("the index may only be read")
        with self._alone():
            self._file = self._index.database.file
            return Scanner(self._folder, self._index, self._contents, report).scan()

    def export_index(self, path: Path) -> int:
        """Write the index to a file of rows, or as a DICOM Inventory; of how many instances.

        Raises BadRequest, ImportError, OSError, as write_rows.
        """
        entries = (one for one in self._index.entries() if is_unicode(one.location))
        if path.suffix == inventory.SUFFIX:
            return inventory.write_inventory(path, entries, self._folder.as_uri())
        return write_rows(path, map(row_of, entries))

    def import_index(self, path: Path) -> Imported:
        """Take the rows of a file whose files are here. Raises BadRequest, ForbiddenError, ImportError, OSError."""
        if not self._index.is_writable:
            raise ForbiddenError("the index may only be read")
        with self._alone():
            return Importer(self._folder, self._index).take(map(entry_of, read_rows(path)))

    def search(self, query: Query, base_url: str) -> list[DicomJson]:
        self._look_at_file()
        return self._index.search(query, base_url)

    def find(
        self,
        study_instance_uid: str | None = None,
        series_instance_uid: str | None = None,
        sop_instance_uid: str | None = None,
    ) -> Iterator[StoredInstance]:
        self._look_at_file()
        return self._index.find(study_instance_uid, series_instance_uid, sop_instance_uid)

    @contextmanager
    def open(self, instance: StoredInstance, wanted: Sequence[Extent] | None = None) -> Iterator[ByteReader]:
        with VersionReader(self._folder / instance.location, instance, whole=wanted is None) as reader:
            reader.check()
            announced = 0
            for run in wanted or ():
                announced += run.length
                if announced > _MOST_ANNOUNCED:
                    break
                reader.expect(run.offset, run.length)
            yield reader

    def remember_frames(self, instance: StoredInstance, frame_index: bytes) -> None:
        if self._index.is_writable:
            with self._index.writing() as writer:
                writer.remember_frames(instance, frame_index)

    def refresh(self, instance: StoredInstance) -> None:
        if self._index.is_writable:
            Scanner(self._folder, self._index, self._contents).look_at(instance.location)

    def add(self, files: Iterator[bytes]) -> list[Outcome]:
        self._check_writable()
        return FileStore(self._folder, self._index, self._contents).add(files)

    def remove(self, instances: Sequence[StoredInstance]) -> None:
        """With all files of them: another one would bring back what was deleted, at the next update."""
        self._check_writable()
        scanner = Scanner(self._folder, self._index, self._contents)
        instances = [now for one in instances for now in self._current(one, scanner)]
        while instances:
            FileStore(self._folder, self._index, self._contents).remove(instances)
            scanner.look_at_stale()
            instances = [other for one in instances for other in self._index.find(*astuple(one.path))]

    def close(self) -> None:
        self._index.close()

    def _current(self, instance: StoredInstance, scanner: Scanner) -> list[StoredInstance]:
        """Where it is now: in its file, another instance may have been written since."""
        try:
            status = (self._folder / instance.location).stat()
        except (FileNotFoundError, NotADirectoryError):
            return [instance]
        if (status.st_size, version_of(status)) == (instance.size, instance.version):
            return [instance]
        scanner.look_at(instance.location)
        scanner.look_at_stale()
        return list(self._index.find(*astuple(instance.path)))

    def _look_at_file(self) -> None:
        """An index that was made anew, perhaps by another process, has to be filled before it is believed."""
        file = self._index.database.file
        if self._file not in (None, file) and self._index.is_writable:
            self.update()
        self._file = file

    def _check_writable(self) -> None:
        if self._is_read_only or not self._index.is_writable or not os.access(self._folder, os.W_OK):
            raise ForbiddenError("the folder may only be read")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While no other process scans for the same index."""
        if self._index.path is None:
            yield
            return
        path = self._index.path.with_name(self._index.path.name + ".lock")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            self._lock_files.add(file)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
            finally:
                self._lock_files.discard(file)
