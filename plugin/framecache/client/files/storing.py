"""Writes and deletes DICOM files in a folder: first the file, whole, then its row."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from framecache.client.collection import Outcome, StoredInstance
from framecache.client.files.scanning import version_of
from framecache.client.index.local_index import OTHER, IndexedFile, LocalIndex
from framecache.client.index.reading import Record, read_record
from framecache.dicom.byte_reader import FileReader, MemoryReader
from framecache.dicom.identity import is_uid
from framecache.errors import FrameCacheError, reason
from framecache.shared_buffers import SharedBuffers

_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


class FileStore:
    """Stores instances as study/series/instance.dcm below the folder, or in the file that has the instance now."""

    def __init__(self, folder: Path, index: LocalIndex, contents: SharedBuffers) -> None:
        self._folder, self._index, self._contents = folder, index, contents

    def add(self, files: Iterator[bytes]) -> list[Outcome]:
        """Store one file after the other; one that fails does not keep the others from being stored."""
        return [self._add(content) for content in files]

    def remove(self, instances: Sequence[StoredInstance]) -> None:
        """Delete files and their rows, and the directories that are empty then, but not the folder."""
        for instance in instances:
            directory, _, name = instance.location.rpartition("/")
            with contextlib.suppress(FileNotFoundError):
                (self._folder / instance.location).unlink()
            with self._index.writing() as writer:
                writer.remove(directory, [name])
            self._remove_empty(self._folder / directory)

    def _add(self, content: bytes) -> Outcome:
        try:
            record = read_record(MemoryReader(content), "", self._contents)
        except FrameCacheError as error:
            return Outcome("", "", 400, reason(error))
        sop_class, *uids = (str(record.values.get(name, "")) for name in ("SOPClassUID", *_UIDS))
        if not all(map(is_uid, uids)):
            # They name the file: what is no UID could lie anywhere.
            return Outcome(sop_class, uids[-1], 400, "one of its UIDs is none")
        location = next((one.location for one in self._index.find(*uids)), "/".join(uids) + ".dcm")
        try:
            self._write(location, content)
        except OSError as error:
            return Outcome(sop_class, uids[-1], 503, f"it cannot be written: {error.strerror}")
        return Outcome(sop_class, uids[-1])

    def _write(self, location: str, content: bytes) -> None:
        path = self._folder / location
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
        directory, _, name = location.rpartition("/")
        status = path.stat()
        version = version_of(status)
        with self._index.writing() as writer:
            writer.put(directory, name, IndexedFile(status.st_size, version, OTHER), self._record(path, version))

    def _record(self, path: Path, version: str) -> Record:
        with FileReader(path, whole=False) as reader:
            return read_record(reader, version, self._contents)

    def _remove_empty(self, directory: Path) -> None:
        while directory != self._folder and self._folder in directory.parents:
            try:
                directory.rmdir()
            except OSError:  # it is not empty, or another process was quicker
                return
            directory = directory.parent


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is there as a whole or not at all, whenever the machine stops. Raises OSError.

    One that is replaced keeps its permissions, as whoever could read it goes on; a new one is the user's alone, as
    there are names of patients in it.
    """
    descriptor, name = tempfile.mkstemp(prefix=".framecache-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            with contextlib.suppress(FileNotFoundError):
                _permit(stream.fileno(), path.stat())
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def _permit(descriptor: int, replaced: os.stat_result) -> None:
    """The permissions of the file that is replaced, but none for another group than its own."""
    mode = stat.S_IMODE(replaced.st_mode)
    with contextlib.suppress(PermissionError):  # also of file systems without permissions
        try:
            os.fchown(descriptor, -1, replaced.st_gid)
        except PermissionError:
            mode &= ~stat.S_IRWXG
        os.fchmod(descriptor, mode)


def sync_directory(path: Path) -> None:
    """Let a new name in the directory survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
