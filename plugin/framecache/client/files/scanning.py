"""Brings an index up to date with a folder: reads what is new or changed, forgets what is gone."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from framecache.client.index.local_index import DUPLICATE, INSTANCE, OTHER, IndexedFile, LocalIndex
from framecache.client.index.reading import Record, read_record
from framecache.dicom.byte_reader import FileReader
from framecache.errors import FrameCacheError, reason
from framecache.shared_buffers import SharedBuffers

logger = logging.getLogger(__name__)

_BATCH = 500  # files of one transaction
_THREADS = 4
_OWN_PREFIX = ".framecache-"  # of files that are being written, and of an index
_NO_INSTANCES = frozenset({"DICOMDIR"})  # PS3.10 section 8.6


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a scan is: files seen, those that were read, and of all what they were found to be.

    `others` are no DICOM instances, `duplicates` further files of an instance, `removed` those that are gone.
    """

    seen: int = 0
    read: int = 0
    instances: int = 0
    duplicates: int = 0
    others: int = 0
    removed: int = 0

    def with_kind(self, kind: str) -> Progress:
        """One more file of that kind."""
        field = {INSTANCE: "instances", DUPLICATE: "duplicates", OTHER: "others"}[kind]
        return replace(self, **{field: getattr(self, field) + 1})


Report = Callable[[Progress], object]
Read = tuple[str, str, IndexedFile, Record | None]


def version_of(status: os.stat_result) -> str:
    """What changes whenever a file does: its time and inode; its size is kept beside it."""
    return f"{status.st_mtime_ns:x}-{status.st_ino:x}"


def is_same_time(version: str, status: os.stat_result) -> bool:
    """Whether a version is of a file of that time, whatever its inode."""
    return version.partition("-")[0] == f"{status.st_mtime_ns:x}"


class Scanner:
    """Scans one folder for one index."""

    def __init__(self, folder: Path, index: LocalIndex, contents: SharedBuffers, report: Report | None = None) -> None:
        """`report` is called after each batch of files and at the end, on the thread that scans."""
        self._folder, self._index, self._contents, self._report = folder, index, contents, report
        self._progress = Progress()

    def scan(self) -> Progress:
        """Look at all files below the folder. Raises OSError where the folder itself cannot be listed."""
        gone = self._index.directories()
        with ThreadPoolExecutor(_THREADS, "framecache-scan") as pool:
            changed = self._changed(gone)
            while batch := list(islice(changed, _BATCH)):
                self._write(batch, pool.map(self._read, batch))
            self._forget(gone)
            while stale := self._index.stale_files(_BATCH):
                self._write(stale, pool.map(self._read, stale))
        counts = self._index.counts()
        kinds = {"instances": INSTANCE, "duplicates": DUPLICATE, "others": OTHER}
        self._progress = replace(self._progress, **{field: counts.get(kind, 0) for field, kind in kinds.items()})
        self._tell()
        return self._progress

    def look_at_stale(self) -> None:
        """Read the files whose instance was in another file that is gone."""
        while stale := self._index.stale_files(_BATCH):
            self._write(stale, map(self._read, stale))

    def look_at(self, location: str) -> None:
        """Bring one file up to date."""
        directory, _, name = location.rpartition("/")
        self._write([(directory, name)], [self._read((directory, name))])

    def _changed(self, gone: set[str]) -> Iterator[tuple[str, str]]:
        """Directories and names of what has to be read; `gone` keeps the directories that were not seen."""
        for directory, names in _walk(self._folder):
            known = self._index.files(directory) if directory in gone else {}
            gone.discard(directory)
            self._remove(directory, known.keys() - names.keys())
            for name, entry in names.items():
                file = known.get(name)
                status = _status(entry)
                if status is None:
                    continue
                self._progress = replace(self._progress, seen=self._progress.seen + 1)
                if file and (file.size, file.version) == (status.st_size, version_of(status)):
                    self._progress = self._progress.with_kind(file.kind)
                else:
                    yield directory, name

    def _write(self, places: Sequence[tuple[str, str]], read: Iterable[Read | None]) -> None:
        found = list(zip(places, read, strict=True))  # before the transaction, which keeps other processes waiting
        with self._index.writing() as writer:
            for (directory, name), one in found:
                if one is None:
                    writer.remove(directory, [name])
                else:
                    self._progress = self._progress.with_kind(writer.put(*one))
        self._progress = replace(self._progress, read=self._progress.read + len(found))
        self._tell()

    def _read(self, place: tuple[str, str]) -> Read | None:
        """What a file is, None if it is gone. One that no record can be made of is no instance until it changes."""
        directory, name = place
        path = self._folder / directory / name
        status = _status(path)
        if status is None:
            return None
        version, record = version_of(status), None
        if name not in _NO_INSTANCES:
            try:
                with FileReader(path, whole=False) as reader:
                    record = read_record(reader, version, self._contents)
            except FrameCacheError as error:
                logger.debug("skipping a file that is no DICOM instance: %s", reason(error))
            except Exception as error:  # noqa: BLE001 - a fault of ours keeps no other file from being found
                logger.warning("skipping a file that cannot be indexed: %s", reason(error))
        return directory, name, IndexedFile(status.st_size, version, OTHER), record

    def _forget(self, directories: Iterable[str]) -> None:
        """Directories that are gone, and not just made by somebody who stored something."""
        with self._index.writing() as writer:
            removed = sum(writer.remove_directory(one) for one in directories if _is_gone(self._folder / one))
        self._progress = replace(self._progress, removed=self._progress.removed + removed)

    def _remove(self, directory: str, names: Iterable[str]) -> None:
        gone = [name for name in names if _is_gone(self._folder / directory / name)]
        if gone:
            with self._index.writing() as writer:
                writer.remove(directory, gone)
            self._progress = replace(self._progress, removed=self._progress.removed + len(gone))

    def _tell(self) -> None:
        if self._report is not None:
            self._report(self._progress)


def _walk(folder: Path) -> Iterator[tuple[str, dict[str, os.DirEntry[str]]]]:
    """Each directory below `folder`, as a relative path, with its files; links are followed, but not in circles."""
    waiting = [""]
    seen: set[tuple[int, int]] = set()
    while waiting:
        directory = waiting.pop()
        path = folder / directory
        status = path.stat() if not directory else _status(path)
        if status is None or (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        entries = _entries(path, is_root=not directory)
        yield directory, {one.name: one for one in entries if _is(one, os.DirEntry.is_file) and not _is_own(one.name)}
        waiting += [_below(directory, one.name) for one in entries if _is(one, os.DirEntry.is_dir)]


def _entries(path: Path, *, is_root: bool) -> Sequence[os.DirEntry[str]]:
    """What is in a directory, in an order that does not depend on the disk."""
    try:
        with os.scandir(path) as found:
            return sorted(found, key=lambda one: one.name)
    except OSError as error:
        if is_root:
            raise
        logger.warning("passing over a directory that cannot be listed: %s", error.strerror)
        return []


def _is_own(name: str) -> bool:
    return name.startswith(_OWN_PREFIX)


def _below(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name


def _is(entry: os.DirEntry[str], kind: Callable[[os.DirEntry[str]], bool]) -> bool:
    try:
        return kind(entry)
    except OSError:
        return False


def _status(entry: os.DirEntry[str] | Path) -> os.stat_result | None:
    try:
        return entry.stat()
    except OSError:
        return None


def _is_gone(path: Path) -> bool:
    return _status(path) is None
