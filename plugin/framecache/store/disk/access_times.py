"""When instances were last viewed, and which of them are evicted first: in the columns that diskcache has for it.

`access_time` is when the record arrived, or its instance was last viewed; `access_count` how many times it was viewed,
and -1 of what was brought in by the backfill and never viewed.
"""
# ruff: noqa: S608 - statements are put together of this module's own constants

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import NamedTuple

from framecache.store.disk.table import Table

_RECORDS = "raw = 1 AND key >= 'i/' AND key < 'i0'"
# What was viewed counts as so much younger than what merely arrived: a flood of new studies pushes itself out.
_VIEWED_SECONDS = 86400.0
# Times of accesses differ at least by so much, so that their order survives a clock that is set back.
_TICK = 1e-4


class OldRecord(NamedTuple):
    """A record by its row ID; `viewed` is when its instance arrived or was last viewed, in seconds since the epoch."""

    row: int
    orthanc_id: str
    key: str
    viewed: float
    content: bytes


class AccessTimes:
    """The times of one cache. They never go back, whatever the clock does."""

    def __init__(self, table: Table) -> None:
        """Times to come are those of a clock that was wrong: they would be the youngest for ever.

        Raises sqlite3.Error.
        """
        self._table, self._lock, now = table, threading.Lock(), time.time()
        table.rows("UPDATE Cache SET access_time = ? WHERE access_time > ?", (now, now))
        self._latest: float = table.rows("SELECT coalesce(max(access_time), 0) FROM Cache")[0][0]

    def begin(self, record_key: str, *, background: bool) -> None:
        """The record was written; in the `background`, or because its instance arrived or was viewed."""
        query = "UPDATE Cache SET access_time = ?, access_count = ? WHERE key = ? AND raw = 1"
        self._table.rows(query, (self._next(time.time()), -1 if background else 0, record_key))

    def note(self, views: Iterable[tuple[float, str]]) -> None:
        """Last views, by the keys of records, in one transaction."""
        query = "UPDATE Cache SET access_time = ?, access_count = max(access_count, 0) + 1 WHERE key = ? AND raw = 1"
        with self._table.transact():
            for moment, key in sorted(views):
                self._table.rows(query, (self._next(moment), key))

    def _next(self, moment: float) -> float:
        with self._lock:
            self._latest = max(self._latest + _TICK, moment)
            return self._latest

    def least_recently_used(self) -> list[tuple[str, str]]:
        """Orthanc IDs and the keys of their records, in the order of eviction.

        First those without a record ("" as key): it went while blocks were being written, or another instance has the
        same UIDs. Nothing tells when they were viewed. Last those without a block: an index takes hardly any room.
        What came in the background goes before what arrived, and of that the newest first: it was brought in newest
        study first.
        """
        lost = f"SELECT DISTINCT tag, '' FROM Cache WHERE tag NOT NULL AND tag NOT IN (SELECT tag FROM Cache WHERE {_RECORDS})"  # noqa: E501
        has_block = "EXISTS (SELECT 1 FROM Cache AS other WHERE other.tag = Cache.tag AND other.filename NOT NULL)"
        arrived = f"access_time + (access_count > 0) * {_VIEWED_SECONDS}"
        age = f"CASE WHEN access_count < 0 THEN -access_time ELSE {arrived} END"
        others = f"SELECT tag, key FROM Cache WHERE {_RECORDS} ORDER BY {has_block} DESC, {age}, rowid"
        return [*self._table.rows(lost), *self._table.rows(others)]

    def not_viewed_since(self, moment: float, after: int, most: int) -> list[OldRecord]:
        """Up to `most` records of what came before `moment` and was not viewed since, in the order of their row IDs."""
        columns = f"SELECT rowid, tag, key, access_time, value FROM Cache WHERE {_RECORDS}"
        query = f"{columns} AND access_time < ? AND rowid > ? ORDER BY rowid LIMIT ?"
        return [OldRecord(*row) for row in self._table.rows(query, (moment, after, most))]
