"""diskcache's table of what is kept, with the questions that its public methods cannot be asked."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import diskcache

from framecache.cache.block_disk import BlockDisk
from framecache.cache.frame_store import BlockRow

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


class Table(diskcache.Cache):  # type: ignore[misc]
    """The index of one cache. Only long-lived threads may use it: diskcache keeps a connection for each."""

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

    def version_keys(self, tag: str) -> list[str]:
        """The keys of all blocks and indexes of one instance, of whatever version."""
        query = "SELECT key FROM Cache WHERE tag = ? AND key NOT LIKE 'i/%'"
        return [key for (key,) in self._sql(query, (tag,)).fetchall()]

    def tags(self, after: str, most: int) -> list[str]:
        """The next Orthanc IDs that anything is kept of, in order."""
        query = "SELECT DISTINCT tag FROM Cache WHERE tag > ? ORDER BY tag LIMIT ?"
        return [tag for (tag,) in self._sql(query, (after, most)).fetchall()]

    def least_recently_used(self) -> Iterator[str]:
        """Orthanc IDs, the one that nobody asked for the longest first.

        Before them those without a record: it went while blocks were being written, or another instance has the same
        UIDs. Nothing tells when they were asked for. Behind them those without a block: an index is hardly any room.
        """
        records = "SELECT tag FROM Cache WHERE raw = 1 AND key >= 'i/' AND key < 'i0'"
        has_block = "EXISTS (SELECT 1 FROM Cache AS other WHERE other.tag = Cache.tag AND other.filename NOT NULL)"
        for query in (
            f"SELECT DISTINCT tag FROM Cache WHERE tag NOT NULL AND tag NOT IN ({records})",  # noqa: S608
            f"{records} AND {has_block} ORDER BY access_time LIMIT 1000",
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
