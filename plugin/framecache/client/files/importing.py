"""Takes an exported index for a folder: each entry whose file is here as it was there."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from framecache.client.files.scanning import is_same_time, version_of
from framecache.client.index.entries import Entry, renamed
from framecache.client.index.local_index import OTHER, IndexedFile, LocalIndex
from framecache.dicom.byte_reader import FileReader
from framecache.dicom.data_set import read_media_storage_sop_instance_uid, read_transfer_syntax_uid
from framecache.errors import FrameCacheError

_BATCH = 500  # files of one transaction
_THREADS = 4


@dataclass(frozen=True, slots=True)
class Imported:
    """Of how many instances the file is here as it was exported (`taken`), and changed or gone (`left`)."""

    taken: int = 0
    left: int = 0


class Importer:
    """Imports into the index of one folder."""

    def __init__(self, folder: Path, index: LocalIndex) -> None:
        self._folder, self._index = folder, index
        self._known: dict[str, dict[str, IndexedFile]] = {}

    def take(self, entries: Iterator[Entry]) -> Imported:
        """Take the entries into the index, but for files that it knows as they are now."""
        taken = left = 0
        with ThreadPoolExecutor(_THREADS, "framecache-import") as pool:
            while batch := list(islice(entries, _BATCH)):
                found = [one for one in pool.map(self._here, batch) if one is not None]
                self._write([one for one in found if not self._knows(one)])
                taken, left = taken + len(found), left + len(batch) - len(found)
        return Imported(taken, left)

    def _here(self, entry: Entry) -> Entry | None:
        """The entry with the version that its file has here; None if that is not the file that was indexed.

        The inode is another one in each copy of a folder. As tools also set times, size and time alone do not tell
        one instance from another: the UID in the File Meta Information (PS3.10 section 7.1) does.
        """
        path = self._folder / entry.location
        try:
            if not path.is_file():
                return None
            with FileReader(path, whole=False) as reader:
                status = reader.status()
                if status.st_size != entry.size or not is_same_time(entry.version, status):
                    return None
                found = read_media_storage_sop_instance_uid(reader), read_transfer_syntax_uid(reader)
        except (FrameCacheError, OSError):
            return None
        is_same = found == (entry.record.values["SOPInstanceUID"], entry.record.transfer_syntax_uid)
        return renamed(entry, version_of(status)) if is_same else None

    def _knows(self, entry: Entry) -> bool:
        directory, _, name = entry.location.rpartition("/")
        if directory not in self._known:
            self._known[directory] = self._index.files(directory)
        file = self._known[directory].get(name)
        return file is not None and (file.size, file.version) == (entry.size, entry.version)

    def _write(self, entries: list[Entry]) -> None:
        with self._index.writing() as writer:
            for entry in entries:
                directory, _, name = entry.location.rpartition("/")
                writer.put(directory, name, IndexedFile(entry.size, entry.version, OTHER), entry.record)
