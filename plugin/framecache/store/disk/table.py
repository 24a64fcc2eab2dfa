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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import diskcache

from framecache.store.disk.block_disk import BlockDisk
from framecache.store.errors import StoreError

_DATABASE_SETTINGS = {
    "eviction_policy": "none",
    "cull_limit": 0,
    "tag_index": True,
    # A mapped database that is cut short raises SIGBUS, which ends the whole server.
    "sqlite_mmap_size": 0,
    "sqlite_cache_size": 2048,
    # The journal takes space as well: it is written back at 1 MiB, and truncated to that.
    "sqlite_wal_autocheckpoint": 256,
    "sqlite_journal_size_limit": 1 << 20,
}
BATCH = 500  # values in one statement


class IndexDamaged(StoreError):
    """The index is damaged or gone: the files are worthless without it."""


class IndexReplaced(StoreError):
    """The open index is no longer the one in the folder: a disk was mounted again, or a copy restored."""


class TaggedRow(NamedTuple):
    """One row; `tag` is the Orthanc ID of its instance, or "".

    `record` is the value of an instance's record, `filename` the name of a block's file, or None.
    """

    rowid: int
    tag: str
    key: str
    record: bytes | None
    filename: str | None
    size: int


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
    def files(self) -> BlockDisk:
        """The files of the blocks."""
        disk: BlockDisk = self._disk
        return disk

    def verify_in_place(self) -> None:
        """Look whether the index is still the file that is open, which SQLite does not notice.

        Raises IndexDamaged, IndexReplaced, OSError.
        """
        try:
            found = _identity(self.path)
        except FileNotFoundError:
            raise IndexDamaged("the cache's index is gone") from None
        if found != self._identity:
            raise IndexReplaced("the cache's index is another file than before")

    def rows(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        """The rows that a statement gives."""
        found: list[Any] = self._sql(query, parameters).fetchall()
        return found

    def rows_where(self, column: Literal["tag", "key"], values: Sequence[str]) -> list[TaggedRow]:
        """All rows with one of these values, of which there are `BATCH` at most."""
        record = "CASE WHEN key >= 'i/' AND key < 'i0' THEN value END"
        query = f"SELECT rowid, coalesce(tag, ''), key, {record}, filename, size FROM Cache"  # noqa: S608
        found = self._sql(f"{query} WHERE {column} IN ({','.join('?' * len(values))})", values).fetchall()
        return [TaggedRow(*row) for row in found]

    def delete_rows(self, row_ids: Iterable[int]) -> None:
        """Delete rows, without their files."""
        self._con.executemany("DELETE FROM Cache WHERE rowid = ?", [(row_id,) for row_id in row_ids])

    def execute_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement that changes something once for each of these rows of parameters, in one transaction."""
        with self.transact():
            self._con.executemany(statement, rows)

    def keys_with(self, prefix: str) -> list[str]:
        """All keys that begin with `prefix`."""
        query = "SELECT key FROM Cache WHERE raw = 1 AND key >= ? AND key < ?"
        return [key for (key,) in self._sql(query, (prefix, prefix + "\x7f")).fetchall()]

    def file_rows(self, after: int) -> list[tuple[int, str, str, int]]:
        """The next rows after this row ID that have files: row ID, key, file name and size, by row ID."""
        query = "SELECT rowid, key, filename, size FROM Cache WHERE rowid > ? AND filename NOT NULL ORDER BY rowid"
        rows: list[tuple[int, str, str, int]] = self._sql(f"{query} LIMIT {BATCH}", (after,)).fetchall()
        return rows

    def bytes_of(self, tag: str) -> int:
        """Bytes of all rows of one instance."""
        return int(self._sql("SELECT coalesce(sum(size), 0) FROM Cache WHERE tag = ?", (tag,)).fetchone()[0])

    def journal_size(self) -> int:
        """Bytes of SQLite's files beside the database."""
        size = 0
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(OSError):
                size += os.stat(self.path + suffix).st_size
        return size

    def shrink_journal(self) -> None:
        """Write the journal back and empty it, unless someone is reading."""
        with contextlib.suppress(sqlite3.OperationalError):
            self._sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def recount(self) -> None:
        """Sum rows and bytes anew; otherwise diskcache's triggers keep these sums."""
        with self.transact():
            for name, value in (("count", "count(*)"), ("size", "coalesce(sum(size), 0)")):
                self._sql(f"UPDATE Settings SET value = (SELECT {value} FROM Cache) WHERE key = ?", (name,))  # noqa: S608

    @contextlib.contextmanager
    def _transact(self, retry: object = None, filename: str | None = None) -> Iterator[tuple[Any, Callable[..., None]]]:  # noqa: ARG002
        """A transaction, as diskcache's, which reports every fault of the disk as a timeout, or retries for ever.

        Nothing remains of a transaction that could not be committed, nor the file that was written for it.
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
                self.close()  # a connection that was opened read-only stays read-only
            if filename is not None:
                self._disk.remove(filename)
            raise
        for name in filter(None, removed):
            self._disk.remove(name)


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def is_damage(error: BaseException) -> bool:
    """Whether the index itself is damaged or of another version; otherwise the disk is at fault."""
    if isinstance(error, sqlite3.OperationalError):
        primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return primary == sqlite3.SQLITE_ERROR and "transaction" not in str(error)  # a missing table or column
    return isinstance(error, (IndexDamaged, sqlite3.DatabaseError))


def _nothing(filename: str | None) -> None:
    """A row that is replaced inside a longer transaction has no file."""
    assert filename is None, "a block is replaced in a transaction of its own"  # noqa: S101
