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

from framecache import block
from framecache.block_disk import BlockDisk, NewBlock
from framecache.frame_store import BlockRow, DoesNotFit, StoreError
from framecache.identity import InstancePath
from framecache.instance import Instance

_FORMAT = "blocks-1"
_DISK_BLOCK = 4096
# Below this share of the limit an eviction stops, so that not every block written evicts one.
_LOW_WATERMARK = 0.95
_DATABASE_SETTINGS = {
    "eviction_policy": "none",
    "cull_limit": 0,
    "tag_index": True,
    # A mapped database that is cut short raises SIGBUS, which ends the whole server.
    "sqlite_mmap_size": 0,
    "sqlite_cache_size": 2048,
}


class DiskStore:
    """The cache's folder."""

    def __init__(self, directory: Path, limit: int) -> None:
        """Open or make the cache in `directory`, `limit` bytes at most. Raises StoreError."""
        self._directory, self._limit = directory / _FORMAT, limit
        self._room = threading.Lock()
        self._reserved = 0
        try:
            _make_private(directory)
            self._lock_file = _Lock(directory / "lock")
            _make_private(self._directory)
            self._table = self._open_table()
        except OSError as error:
            raise StoreError(f"the cache folder {directory} cannot be used: {error.strerror or error}") from error

    def _open_table(self) -> _Table:
        try:
            return _Table(self._directory)
        except (sqlite3.DatabaseError, diskcache.Timeout):
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
        return Instance.from_json(cast(bytes, content)) if content else None

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
        return next(self._table.blocks(key))

    @contextlib.contextmanager
    def _reserve(self, size: int, keep_orthanc_id: str) -> Iterator[None]:
        """Room for `size` bytes, made before they are written."""
        size = _on_disk(size)
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
        for orthanc_id in self._table.least_recently_used():
            if self._used() <= goal:
                return
            if orthanc_id != keep_orthanc_id:
                self.forget(orthanc_id)

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
        """Bytes on disk, the index and each file's last, unfilled disk block included."""
        return int(self._table.volume()) + len(self._table) * _DISK_BLOCK // 2

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

    def least_recently_used(self) -> list[str]:
        """Orthanc IDs, the one that nobody asked for the longest first."""
        query = "SELECT tag FROM Cache WHERE raw = 1 AND key >= 'i/' AND key < 'i0' ORDER BY access_time LIMIT 1000"
        return [tag for (tag,) in self._sql(query).fetchall()]

    def set_access_times(self, times: Iterable[tuple[float, str]]) -> None:
        """Last accesses of rows, in one transaction."""
        with self.transact(retry=True):
            for time, key in times:
                self._sql("UPDATE Cache SET access_time = max(access_time, ?) WHERE key = ? AND raw = 1", (time, key))


def _record_key(path: InstancePath) -> str:
    return f"i/{path.study_instance_uid}/{path.series_instance_uid}/{path.sop_instance_uid}"


def _on_disk(size: int) -> int:
    return -(-size // _DISK_BLOCK) * _DISK_BLOCK


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
