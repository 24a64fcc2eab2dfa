"""The metadata of instances: a table beside the index, in the same file, with a share of the room for itself.

Rows of the index cost a page each in the sums of the store, as files do. Metadata takes far less, and there is some of
each instance in the archive: it must neither push out frames nor be pushed out by them.
"""
# ruff: noqa: S608 - statements are put together of this module's own constants and of names in hexadecimal

from __future__ import annotations

import time
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from framecache.batches import batches
from framecache.store.disk.space import DiskSpace
from framecache.store.disk.table import BATCH, Table
from framecache.store.metadata import METADATA_VERSION, InstanceMetadata

#: Of all bytes that a cache may use.
SHARE = 0.1
_COLUMNS = "orthanc_id TEXT PRIMARY KEY, attachment TEXT, made REAL, length INTEGER, checksum INTEGER, content BLOB"


class DiskMetadata:
    """The metadata of one cache."""

    def __init__(self, table: Table, space: DiskSpace, limit: int, made_by: str) -> None:
        """It takes `limit` bytes at most. What was kept under another `made_by`, a name in hexadecimal, is dropped.

        Raises sqlite3.Error.
        """
        self._table, self._space, self._limit = table, space, limit
        version = f"{METADATA_VERSION}{made_by and '_'}{made_by}"
        self._name, self._sum = f"Metadata{version}", f"MetadataSum{version}"
        # SQLite numbers new rows upwards: the smallest row ID is the oldest row.
        self._oldest = f"SELECT rowid FROM {self._name} ORDER BY rowid LIMIT {BATCH}"
        if not table.rows("SELECT 1 FROM sqlite_master WHERE name = ?", (self._sum,)):
            with table.transact():
                self._begin()

    def _begin(self) -> None:
        older = "SELECT name FROM sqlite_master WHERE name LIKE 'Metadata%' AND type = 'table'"
        for (name,) in self._table.rows(older):
            self._table.rows(f"DROP TABLE {name}")
        self._table.rows(f"CREATE TABLE {self._name} ({_COLUMNS})")
        self._table.rows(f"CREATE TABLE {self._sum} (number INTEGER, bytes INTEGER)")
        self._table.rows(f"INSERT INTO {self._sum} VALUES (0, 0)")
        for name, event, row, sign in (("written", "INSERT", "NEW", "+"), ("removed", "DELETE", "OLD", "-")):
            change = f"number = number {sign} 1, bytes = bytes {sign} length({row}.content)"
            trigger = f"AFTER {event} ON {self._name} BEGIN UPDATE {self._sum} SET {change}; END"
            self._table.rows(f"CREATE TRIGGER {self._name}_{name} {trigger}")

    def of(self, orthanc_ids: Sequence[str]) -> dict[str, InstanceMetadata]:
        """Of those of these instances, by Orthanc ID."""
        rows = self._rows("checksum, orthanc_id, attachment, length, content", orthanc_ids)
        # SQLite has no checksums: what is damaged is made anew.
        return {row[1]: InstanceMetadata(*row[1:]) for row in rows if row[0] == zlib.crc32(row[4])}

    def versions(self, orthanc_ids: Sequence[str]) -> dict[str, str]:
        """The attachments of those of these instances, by Orthanc ID."""
        return dict(self._rows("orthanc_id, attachment", orthanc_ids))

    def _rows(self, columns: str, orthanc_ids: Sequence[str]) -> Iterator[Any]:
        for some in batches(orthanc_ids, BATCH):
            query = f"SELECT {columns} FROM {self._name} WHERE orthanc_id IN ({','.join('?' * len(some))})"
            yield from self._table.rows(query, some)

    def after(self, orthanc_id: str, limit: int) -> dict[str, str]:
        """The attachments of the next `limit` instances after this ID, in the order of their IDs."""
        query = f"SELECT orthanc_id, attachment FROM {self._name} WHERE orthanc_id > ? ORDER BY orthanc_id LIMIT ?"
        return dict(self._table.rows(query, (orthanc_id, limit)))

    def keep(self, metadata: Sequence[InstanceMetadata]) -> None:
        """Keep the metadata of up to some hundred instances, in place of that of other versions.

        Raises DoesNotFit, DiskLow, sqlite3.Error.
        """
        made = time.time()
        rows = [
            (one.orthanc_id, one.attachment_uuid, made, one.length, zlib.crc32(one.content), one.content)
            for one in metadata
        ]
        with self._space.reserve(sum(len(one.content) for one in metadata), ""), self._table.transact():
            self.remove([one.orthanc_id for one in metadata])
            self._table.execute_many(f"INSERT INTO {self._name} VALUES (?, ?, ?, ?, ?, ?)", rows)
            while self.used() > self._limit:
                self._table.rows(f"DELETE FROM {self._name} WHERE rowid IN ({self._oldest})")

    def remove(self, orthanc_ids: Sequence[str]) -> None:
        """Remove that of these instances."""
        self._remove(self.versions(orthanc_ids).items())

    def remove_versions(self, stale: Mapping[str, Collection[str]]) -> None:
        """Remove that of these versions alone."""
        kept = self.versions([name for name, attachments in stale.items() if attachments])
        self._remove([(name, attachment) for name, attachment in kept.items() if attachment in stale[name]])

    def _remove(self, versions: Collection[tuple[str, str]]) -> None:
        if versions:  # most deletions find nothing, and need no transaction
            self._table.execute_many(f"DELETE FROM {self._name} WHERE orthanc_id = ? AND attachment = ?", versions)

    def expire(self, moment: float) -> None:
        """Remove some of what was made before this moment, in seconds since the epoch."""
        self._table.rows(f"DELETE FROM {self._name} WHERE rowid IN ({self._oldest}) AND made < ?", (moment,))

    def number(self) -> int:
        """Of how many instances it is kept."""
        return int(self._table.rows(f"SELECT number FROM {self._sum}")[0][0])

    def used(self) -> int:
        """The bytes of all of it."""
        return int(self._table.rows(f"SELECT bytes FROM {self._sum}")[0][0])
