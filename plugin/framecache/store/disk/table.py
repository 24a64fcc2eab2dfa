"""diskcache's table, and the one place that reaches into diskcache's private parts.

These are `_sql`, `_con`, `_disk`, `_txn_id` and `_transact` of diskcache 5.6.3. What its public methods cannot be asked
is asked in SQL by `rows`; statements and triggers name its table `Cache` (key, raw, tag, filename, value, size,
access_time, access_count) and `Settings` (key, value).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import diskcache

from framecache.batches import batches
from framecache.store.disk.block_disk import DISK_BLOCK, BlockDisk
from framecache.store.errors import StoreError

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
BATCH = 500  # values in one question


class IndexDamaged(StoreError):
    """The index is not what was written, or is gone: its files are worthless without it."""


class IndexReplaced(StoreError):
    """Another index lies where the one lay that is open: a disk was mounted again, or a copy was brought back."""


class TaggedRow(NamedTuple):
    """One row; `record` is the value of an instance's record, `filename` the name of a block's file, or None."""

    rowid: int
    tag: str
    key: str
    record: bytes | None
    filename: str | None
    size: int


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed: rows, the instances that they were of, by their Orthanc IDs, and the bytes of their values."""

    rows: int = 0
    orthanc_ids: frozenset[str] = frozenset()
    size: int = 0

    def __add__(self, other: Removed) -> Removed:
        return Removed(self.rows + other.rows, self.orthanc_ids | other.orthanc_ids, self.size + other.size)


class Table(diskcache.Cache):  # type: ignore[misc]
    """The index of one cache. Only long-lived threads may use it: diskcache keeps a connection for each."""

    def __init__(self, directory: Path) -> None:
        # SQLite gives its journal the database's mode, so it is enough to make that one first.
        self.path = os.path.join(directory, diskcache.core.DBNAME)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._txn_id: int | None = None
        super().__init__(str(directory), disk=BlockDisk, **_DATABASE_SETTINGS)
        self._identity = _identity(self.path)

    @property
    def blocks_on_disk(self) -> BlockDisk:
        """Where the files are."""
        disk: BlockDisk = self._disk
        return disk

    def see_that_it_is_in_place(self) -> None:
        """SQLite goes on without noticing. Raises IndexDamaged, IndexReplaced where it is not, OSError."""
        try:
            found = _identity(self.path)
        except FileNotFoundError:
            raise IndexDamaged("the cache's index is gone") from None
        if found != self._identity:
            raise IndexReplaced("the cache's index is another file than before")

    def rows(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        """For what is kept beside the index in the same database: the rows that a statement gives."""
        found: list[Any] = self._sql(query, parameters).fetchall()
        return found

    def tagged(self, tags: Sequence[str]) -> Iterator[TaggedRow]:
        """All rows of these instances."""
        for some in batches(tags, BATCH):
            yield from self._rows("tag", some)

    def keys_from(self, prefix: str) -> list[str]:
        """All keys that begin with `prefix`."""
        query = "SELECT key FROM Cache WHERE raw = 1 AND key >= ? AND key < ?"
        return [key for (key,) in self._sql(query, (prefix, prefix + "\x7f")).fetchall()]

    def file_rows(self, after: int) -> list[tuple[int, str, str, int]]:
        """Some rows that have files: row ID, key, file name and its bytes, in the order of their IDs."""
        query = "SELECT rowid, key, filename, size FROM Cache WHERE rowid > ? AND filename NOT NULL ORDER BY rowid"
        rows: list[tuple[int, str, str, int]] = self._sql(f"{query} LIMIT {BATCH}", (after,)).fetchall()
        return rows

    def bytes_of(self, tag: str) -> int:
        """Bytes of all that is kept of one instance."""
        return int(self._sql("SELECT coalesce(sum(size), 0) FROM Cache WHERE tag = ?", (tag,)).fetchone()[0])

    def remove_tagged(self, tags: Sequence[str], is_meant: Callable[[TaggedRow], bool] = lambda _: True) -> Removed:
        """Remove the rows of these instances that are meant, and their files."""
        return sum((self._remove("tag", some, is_meant) for some in batches(tags, BATCH)), Removed())

    def remove_keys(self, keys: Sequence[str]) -> Removed:
        """Remove rows and their files."""
        return sum((self._remove("key", some, lambda _: True) for some in batches(keys, BATCH)), Removed())

    def _remove(self, column: str, values: Sequence[str], is_meant: Callable[[TaggedRow], bool]) -> Removed:
        """Rows first, in one transaction: a file without a row is found at the next start."""
        with self.blocks_on_disk.leaving() as leaves:
            with self.transact():
                found = [row for row in self._rows(column, values) if is_meant(row)]
                leaves(sum(row.size + DISK_BLOCK for row in found))
                self._con.executemany("DELETE FROM Cache WHERE rowid = ?", [(row.rowid,) for row in found])
            self._disk.remove_all([(row.filename, row.size) for row in found if row.filename is not None])
        owners = frozenset(row.tag for row in found if row.tag is not None)
        return Removed(len(found), owners, sum(row.size for row in found))

    def _rows(self, column: str, values: Sequence[str]) -> list[TaggedRow]:
        record = "CASE WHEN key >= 'i/' AND key < 'i0' THEN value END"
        query = f"SELECT rowid, tag, key, {record}, filename, size FROM Cache"  # noqa: S608
        found = self._sql(f"{query} WHERE {column} IN ({','.join('?' * len(values))})", values).fetchall()
        return [TaggedRow(*row) for row in found]

    def journal_size(self) -> int:
        """Bytes of what SQLite keeps beside the database."""
        size = 0
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(OSError):
                size += os.stat(self.path + suffix).st_size
        return size

    def shrink_journal(self) -> None:
        """Write the journal back and cut it to nothing, unless someone is reading."""
        with contextlib.suppress(sqlite3.OperationalError):
            self._sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def count_again(self) -> None:
        """Count rows and bytes anew; triggers keep these sums otherwise."""
        with self.transact():
            for name, value in (("count", "count(*)"), ("size", "coalesce(sum(size), 0)")):
                self._sql(f"UPDATE Settings SET value = (SELECT {value} FROM Cache) WHERE key = ?", (name,))  # noqa: S608

    @contextlib.contextmanager
    def _transact(self, retry: object = None, filename: str | None = None) -> Iterator[tuple[Any, Callable[..., None]]]:  # noqa: ARG002
        """As diskcache's, which calls every fault of the disk a timeout, or tries for ever.

        Nothing is left of a transaction that could not be committed, and neither the file that was written for it.
        """
        if self._txn_id == threading.get_ident():
            yield self._sql, _nothing
            return
        sql, removed = self._sql, list[str | None]()
        try:
            sql("BEGIN IMMEDIATE")
            self._txn_id = threading.get_ident()
            try:
                yield sql, removed.append
            finally:
                self._txn_id = None
            sql("COMMIT")
        except BaseException as error:
            with contextlib.suppress(sqlite3.Error):
                sql("ROLLBACK")
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY:
                self.close()  # opened while nothing could be written, this thread's connection stays so for ever
            if filename is not None:
                self._disk.remove(filename)
            raise
        for name in filter(None, removed):
            self._disk.remove(name)


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def is_damage(error: BaseException) -> bool:
    """Whether the index itself is broken, or of another version, rather than the disk unwilling."""
    if isinstance(error, sqlite3.OperationalError):
        primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return primary == sqlite3.SQLITE_ERROR and "transaction" not in str(error)  # a missing table or column
    return isinstance(error, (IndexDamaged, sqlite3.DatabaseError))


def _nothing(filename: str | None) -> None:
    """Rows that are replaced inside a longer transaction have no files."""
    assert filename is None, "a block is replaced in a transaction of its own"  # noqa: S101
