"""diskcache's table of what is kept, with the questions that its public methods cannot be asked."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import diskcache

from framecache.batches import batches
from framecache.store.block import Block
from framecache.store.disk.block_disk import DISK_BLOCK, BlockDisk
from framecache.store.disk.block_file import BlockFile
from framecache.store.frame_store import StoreError

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
_RECORDS = "raw = 1 AND key >= 'i/' AND key < 'i0'"
BATCH = 500  # values in one question
# What was asked for counts as so much younger than what merely arrived: a flood of new studies pushes itself out.
_READ_SECONDS = 86400.0
# Times of accesses differ at least by so much, so that their order survives a clock that is set back.
_TICK = 1e-4


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


class OldRecord(NamedTuple):
    """A record by its row ID; `asked_at` is when its instance was last asked for, in seconds since the epoch."""

    row: int
    orthanc_id: str
    key: str
    asked_at: float
    content: bytes


class Table(diskcache.Cache):  # type: ignore[misc]
    """The index of one cache. Only long-lived threads may use it: diskcache keeps a connection for each."""

    def __init__(self, directory: Path) -> None:
        # SQLite gives its journal the database's mode, so it is enough to make that one first.
        self.path = os.path.join(directory, diskcache.core.DBNAME)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._txn_id: int | None = None
        super().__init__(str(directory), disk=BlockDisk, **_DATABASE_SETTINGS)
        self._identity = _identity(self.path)
        self._latest, self._ticking = 0.0, threading.Lock()
        self._begin_clock()

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

    def blocks(self, prefix: str) -> Iterator[Block]:
        """The blocks whose keys begin with `prefix`."""
        query = "SELECT key, filename, size FROM Cache WHERE raw = 1 AND key >= ? AND key < ?"
        for row in self._sql(query, (prefix, prefix + "\x7f")).fetchall():
            with contextlib.suppress(ValueError, TypeError):  # SQLite has no checksums
                yield self._block(*row)

    def _block(self, key: str, filename: str, size: int) -> Block:
        _, _, representation, numbers = key.split("/")
        first, _, count = numbers.partition("-")
        return Block(key, representation, int(first), int(count), size, BlockFile(self._disk.full_path(filename)))

    def tagged(self, tags: Sequence[str]) -> Iterator[TaggedRow]:
        """All rows of these instances."""
        for some in batches(tags, BATCH):
            yield from self._rows("tag", some)

    def tags(self, after: str, most: int) -> list[str]:
        """The next Orthanc IDs that anything is kept of, in order."""
        query = "SELECT DISTINCT tag FROM Cache WHERE tag > ? ORDER BY tag LIMIT ?"
        return [tag for (tag,) in self._sql(query, (after, most)).fetchall()]

    def keys_from(self, prefix: str) -> list[str]:
        """All keys that begin with `prefix`."""
        query = "SELECT key FROM Cache WHERE raw = 1 AND key >= ? AND key < ?"
        return [key for (key,) in self._sql(query, (prefix, prefix + "\x7f")).fetchall()]

    def file_rows(self, after: int) -> list[tuple[int, str, str, int]]:
        """Some rows that have files: row ID, key, file name and its bytes, in the order of their IDs."""
        query = "SELECT rowid, key, filename, size FROM Cache WHERE rowid > ? AND filename NOT NULL ORDER BY rowid"
        rows: list[tuple[int, str, str, int]] = self._sql(f"{query} LIMIT {BATCH}", (after,)).fetchall()
        return rows

    def least_recently_used(self) -> list[tuple[str, str]]:
        """Orthanc IDs and the keys of their records, the one that nobody asked for the longest first.

        Before them those without a record ("" as key): it went while blocks were being written, or another instance
        has the same UIDs. Nothing tells when they were asked for. Behind them those without a block: an index is hardly
        any room. What nobody asked for (count -1) goes before what arrived, and of that the youngest first: it was
        brought in newest study first.
        """
        lost = f"SELECT DISTINCT tag, '' FROM Cache WHERE tag NOT NULL AND tag NOT IN (SELECT tag FROM Cache WHERE {_RECORDS})"  # noqa: S608, E501
        has_block = "EXISTS (SELECT 1 FROM Cache AS other WHERE other.tag = Cache.tag AND other.filename NOT NULL)"
        arrived = f"access_time + (access_count > 0) * {_READ_SECONDS}"
        age = f"CASE WHEN access_count < 0 THEN -access_time ELSE {arrived} END"
        kept = f"SELECT tag, key FROM Cache WHERE {_RECORDS} ORDER BY {has_block} DESC, {age}, rowid"  # noqa: S608
        return [*self._sql(lost).fetchall(), *self._sql(kept).fetchall()]

    def not_asked_for_since(self, moment: float, after: int) -> list[OldRecord]:
        """Some records of what came before `moment` and was not asked for since, in the order of their row IDs."""
        columns = f"SELECT rowid, tag, key, access_time, value FROM Cache WHERE {_RECORDS}"  # noqa: S608
        query = f"{columns} AND access_time < ? AND rowid > ? ORDER BY rowid LIMIT {BATCH}"
        return [OldRecord(*row) for row in self._sql(query, (moment, after)).fetchall()]

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

    def set_record(self, key: str, content: bytes, tag: str, *, unasked: bool = False) -> None:
        """Keep a record as one that arrived now, or as one that nobody asked for."""
        query = "UPDATE Cache SET access_time = ?, access_count = ? WHERE key = ? AND raw = 1"
        with self.transact():
            self.set(key, content, tag=tag)
            self._sql(query, (self._moment(time.time()), -1 if unasked else 0, key))

    def set_access_times(self, times: Iterable[tuple[float, str]]) -> None:
        """Last accesses of rows, in one transaction. They never go back, whatever the clock does."""
        query = "UPDATE Cache SET access_time = ?, access_count = max(access_count, 0) + 1 WHERE key = ? AND raw = 1"
        with self.transact():
            for moment, key in sorted(times):
                self._sql(query, (self._moment(moment), key))

    def _begin_clock(self) -> None:
        """Times to come are those of a clock that was wrong: they would be the youngest for ever."""
        now = time.time()
        self._sql("UPDATE Cache SET access_time = ? WHERE access_time > ?", (now, now))
        self._latest = self._sql("SELECT coalesce(max(access_time), 0) FROM Cache").fetchone()[0]

    def _moment(self, moment: float) -> float:
        with self._ticking:
            self._latest = max(self._latest + _TICK, moment)
            return self._latest

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
