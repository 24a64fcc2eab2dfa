"""The disk-backed LRU of frames: diskcache's index and files, bounded in bytes, evicted by instance.

Two kinds of rows, both tagged with the Orthanc ID of their instance: `i/<path>` holds the instance's record,
`f/<attachment>/<representation>/<first>-<count>` a block of frames. Truth is the row and the file; blocks are
written file first, row second. Only the plugin's own long-lived threads may call a store: diskcache keeps a
SQLite connection for each thread, and every request comes on a new one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast

import diskcache

from framecache.cache import block
from framecache.cache.block_disk import BlockDisk, NewBlock
from framecache.cache.frame_store import BlockRow, DoesNotFit, StoreError
from framecache.dicom.identity import InstancePath
from framecache.dicom.instance import Instance
from framecache.errors import SourceError

_FORMAT = "blocks-1"
_DISK_BLOCK = 4096
# What one block adds to the index, its journal and its folders, at most.
_INDEX_GROWTH = 1 << 16
_PREFIX_FOLDERS = 256
# Below this share of the limit an eviction stops, so that not every block written evicts one.
_LOW_WATERMARK = 0.95
_DATABASE_SETTINGS = {
    "eviction_policy": "none",
    "cull_limit": 0,
    "tag_index": True,
    # A mapped database that is cut short raises SIGBUS, which ends the whole server.
    "sqlite_mmap_size": 0,
    "sqlite_cache_size": 2048,
    # The journal counts as well: 1 MiB of pages before it is written back, and no more is kept of it.
    "sqlite_wal_autocheckpoint": 256,
    "sqlite_journal_size_limit": 1 << 20,
}


class DiskStore:
    """The cache's folder."""

    def __init__(self, directory: Path, limit: int) -> None:
        """Open or make the cache in `directory`, `limit` bytes at most. Raises StoreError."""
        self._directory, self._limit = directory / _FORMAT, limit
        self._room = threading.Lock()
        self._reserved = 0
        with contextlib.ExitStack() as undo, _store_errors(directory):
            # One that is there already may be somebody's, and keeps its mode: what is ours lies a level below.
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock_file = _Lock(directory / "lock")
            undo.callback(self._lock_file.close)
            _make_private(self._directory)
            self._table = self._open_table()
            undo.pop_all()

    def _open_table(self) -> _Table:
        try:
            return _Table(self._directory)
        except sqlite3.OperationalError:
            raise  # the disk is full or read-only now: the index is as good as it was
        except sqlite3.DatabaseError:
            # The index is unreadable, so its files are worthless: set them aside and begin anew.
            self._directory.rename(self._directory.with_name(f"{_FORMAT}.broken-{os.urandom(4).hex()}"))
            _make_private(self._directory)
            return _Table(self._directory)

    @property
    def limit(self) -> int:
        """The most bytes that the folder may hold."""
        return self._limit

    def close(self) -> None:
        """Close this thread's connection and give the folder free."""
        self._table.close()
        self._lock_file.close()

    def record(self, path: InstancePath) -> Instance | None:
        """The instance known under these UIDs, or None."""
        content = self._table.get(_record_key(path))
        try:
            instance = Instance.from_json(cast(bytes, content)) if content else None
        except SourceError:
            return None
        # SQLite has no checksums: a changed row must not lead to another instance's frames.
        return instance if instance and instance.path == path else None

    def keep_record(self, instance: Instance) -> None:
        """Remember `instance`; what was known of its UIDs before is replaced."""
        self._table.set(_record_key(instance.path), instance.to_json(), tag=instance.orthanc_id)

    def blocks(self, instance: Instance) -> list[BlockRow]:
        """The blocks kept of this very version of the instance."""
        return list(self._table.blocks(f"f/{instance.attachment_uuid}/"))

    def keep(self, instance: Instance, representation: str, frames: Mapping[int, memoryview]) -> BlockRow:
        """Write one block of consecutive frames, by their numbers. Raises StoreError, DoesNotFit, OSError."""
        first, count = min(frames), len(frames)
        key = f"f/{instance.attachment_uuid}/{representation}/{first}-{count}"
        pieces: list[bytes | memoryview] = [block.pack_header(key, frames), *frames.values()]
        new = NewBlock(instance.attachment_uuid, f"{representation}_{first}", pieces)
        with self._reserve(new.size, instance.orthanc_id):
            self._table.set(key, new, tag=instance.orthanc_id)
        for row in self._table.blocks(key):
            if row.key == key:
                return row
        raise StoreError("the block was evicted as soon as it was written")

    @contextlib.contextmanager
    def _reserve(self, size: int, keep_orthanc_id: str) -> Iterator[None]:
        """Room for `size` bytes, made before they are written."""
        size = _on_disk(size) + _INDEX_GROWTH
        with self._room:
            if self._used() + size > self._limit:
                self._evict_down_to(int(self._limit * _LOW_WATERMARK) - size, keep_orthanc_id)
                if self._used() + size > self._limit:
                    raise DoesNotFit("the instance does not fit into the cache")
            self._reserved += size
        try:
            yield
        finally:
            with self._room:
                self._reserved -= size

    def _used(self) -> int:
        return self.bytes_used() + self._reserved

    def _evict_down_to(self, goal: int, keep_orthanc_id: str) -> None:
        self._table.shrink_journal()
        for orthanc_id in self._table.least_recently_used():
            if self._used() <= goal:
                break
            if orthanc_id != keep_orthanc_id:
                self.forget(orthanc_id)
        self._table.shrink_journal()

    def forget(self, orthanc_id: str) -> int:
        """Remove all that is kept of an instance; how many rows that were."""
        return int(self._table.evict(orthanc_id))

    def forget_other_versions(self, instance: Instance) -> None:
        """Remove the blocks of all but this version of an instance."""
        current = f"f/{instance.attachment_uuid}/"
        for key in self._table.block_keys(instance.orthanc_id):
            if not key.startswith(current):
                self._table.delete(key)

    def forget_block(self, row: BlockRow) -> None:
        """Remove one block."""
        self._table.delete(row.key)

    def touch(self, last_accesses: Mapping[InstancePath, float]) -> None:
        """Note when instances were last asked for, in seconds since the epoch."""
        self._table.set_access_times((time, _record_key(path)) for path, time in last_accesses.items())

    def bytes_used(self) -> int:
        """Bytes on disk at most: index, journal, and for each row its folder or the unfilled end of its file."""
        rows = len(self._table)
        folders = min(rows, _PREFIX_FOLDERS)
        return int(self._table.volume()) + self._table.journal_size() + (rows + folders) * _DISK_BLOCK

    def count(self) -> int:
        """Blocks and records."""
        return len(self._table)


class _Table(diskcache.Cache):  # type: ignore[misc]
    """diskcache's table, with the questions that its public methods cannot be asked."""

    def __init__(self, directory: Path) -> None:
        # SQLite gives its journal the database's mode, so it is enough to make that one first.
        os.close(os.open(directory / diskcache.core.DBNAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        super().__init__(str(directory), disk=BlockDisk, **_DATABASE_SETTINGS)

    def blocks(self, prefix: str) -> Iterator[BlockRow]:
        """The blocks whose keys begin with `prefix`."""
        query = "SELECT key, filename, size FROM Cache WHERE raw = 1 AND key >= ? AND key < ?"
        yield from self._rows(query, (prefix, prefix + "\x7f"))

    def _rows(self, query: str, arguments: tuple[str, ...]) -> Iterator[BlockRow]:
        for key, filename, size in self._sql(query, arguments).fetchall():
            _, _, representation, numbers = key.split("/")
            first, _, count = numbers.partition("-")
            path = self._disk.full_path(filename)
            yield BlockRow(key, path, representation, int(first), int(count), size)

    def block_keys(self, tag: str) -> list[str]:
        """The keys of all blocks of one instance, of whatever version."""
        query = "SELECT key FROM Cache WHERE tag = ? AND filename NOT NULL"
        return [key for (key,) in self._sql(query, (tag,)).fetchall()]

    def least_recently_used(self) -> Iterator[str]:
        """Orthanc IDs, the one that nobody asked for the longest first.

        Before them those without a record: it went while blocks were being written, or another instance has the same
        UIDs. Nothing tells when they were asked for.
        """
        records = "SELECT tag FROM Cache WHERE raw = 1 AND key >= 'i/' AND key < 'i0'"
        for query in (
            f"SELECT DISTINCT tag FROM Cache WHERE tag NOT NULL AND tag NOT IN ({records})",  # noqa: S608
            f"{records} ORDER BY access_time LIMIT 1000",
        ):
            yield from [tag for (tag,) in self._sql(query).fetchall()]

    def journal_size(self) -> int:
        """Bytes of what SQLite keeps beside the database."""
        size = 0
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(OSError):
                size += os.stat(os.path.join(self.directory, diskcache.core.DBNAME + suffix)).st_size
        return size

    def shrink_journal(self) -> None:
        """Write the journal back and cut it to nothing, unless someone is reading."""
        with contextlib.suppress(sqlite3.OperationalError):
            self._sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def set_access_times(self, times: Iterable[tuple[float, str]]) -> None:
        """Last accesses of rows, in one transaction."""
        with self.transact(retry=True):
            for time, key in times:
                self._sql("UPDATE Cache SET access_time = max(access_time, ?) WHERE key = ? AND raw = 1", (time, key))


def _record_key(path: InstancePath) -> str:
    return f"i/{path.study_instance_uid}/{path.series_instance_uid}/{path.sop_instance_uid}"


def _on_disk(size: int) -> int:
    return -(-size // _DISK_BLOCK) * _DISK_BLOCK


@contextlib.contextmanager
def _store_errors(directory: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, sqlite3.Error, diskcache.Timeout) as error:
        reason = getattr(error, "strerror", None) or error
        raise StoreError(f"the cache folder {directory} cannot be used: {reason}") from error


def _make_private(directory: Path) -> None:
    """Make a folder that only its owner can enter, whatever the umask, which is the whole server's."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if directory.stat().st_mode & 0o077:
        directory.chmod(0o700)


class _Lock:
    """Two Orthancs in one folder would remove each other's files: the second is refused."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise StoreError(
                f"the cache folder {path.parent} is in use by another Orthanc; give each its own Directory"
            ) from error

    def close(self) -> None:
        os.close(self._descriptor)
