"""Records, versions and notes in the index of the store on disk."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from typing import cast

from framecache.batches import batches
from framecache.dicom.identity import InstancePath
from framecache.store.disk.access_times import AccessTimes
from framecache.store.disk.keys import NOTES, attachment_of, record_key
from framecache.store.disk.metadata import DiskMetadata
from framecache.store.disk.removal import Removal
from framecache.store.disk.table import BATCH, Table, TaggedRow
from framecache.store.disk.usage_table import UsageTable
from framecache.store.parts import RemovalCause
from framecache.store.record import Record, UnreadableRecord


class DiskRecords:
    """Records by the UIDs of their instances."""

    def __init__(self, table: Table, access_times: AccessTimes, usage: UsageTable) -> None:
        self._table, self._access_times, self._usage = table, access_times, usage

    def get(self, path: InstancePath) -> bytes | None:
        """The record of these UIDs, or None."""
        with contextlib.suppress(UnreadableRecord, TypeError):
            content = cast("bytes | None", self._table.get(record_key(path)))
            # SQLite has no checksums: a changed row must not lead to another instance's frames.
            return content if content and Record.from_json(content).path == path else None
        return None

    def keep(self, content: bytes, *, background: bool = False) -> None:
        """Remember an instance by its record, which replaces the one of the same UIDs, unless it is the same.

        Raises UnreadableRecord, sqlite3.Error.
        """
        record = Record.from_json(content)
        if self.get(record.path) != content:
            key = record_key(record.path)
            with self._table.transact():
                self._table.set(key, content, tag=record.orthanc_id)
                self._access_times.begin(key, background=background)
                self._usage.enter(record)

    def touch(self, last_views: Mapping[InstancePath, float]) -> None:
        """Note when instances were last viewed, in seconds since the epoch."""
        self._access_times.note((time, record_key(path)) for path, time in last_views.items())


class DiskVersions:
    """Attachments by Orthanc ID; "" stands for a record that cannot be read."""

    def __init__(self, table: Table, removal: Removal, metadata: DiskMetadata) -> None:
        self._table, self._removal, self._metadata = table, removal, metadata

    def after(self, orthanc_id: str, limit: int) -> dict[str, set[str]]:
        """The next `limit` instances after this ID."""
        query = "SELECT DISTINCT tag FROM Cache WHERE tag > ? ORDER BY tag LIMIT ?"
        return self.of([tag for (tag,) in self._table.rows(query, (orthanc_id, limit))])

    def of(self, orthanc_ids: Sequence[str]) -> dict[str, set[str]]:
        """Those of these instances."""
        found: dict[str, set[str]] = {orthanc_id: set() for orthanc_id in orthanc_ids}
        for some in batches(orthanc_ids, BATCH):
            for row in self._table.rows_where("tag", some):
                found[row.tag].add(attachment_of(row.key, row.record))
        for orthanc_id, attachment in self._metadata.versions(orthanc_ids).items():
            found[orthanc_id].add(attachment)
        return found

    def remove(self, stale: Mapping[str, Collection[str]], cause: RemovalCause = "replaced") -> None:
        """Remove all of these versions, and nothing of others."""

        def is_stale(row: TaggedRow) -> bool:
            return attachment_of(row.key, row.record) in stale[row.tag]

        self._removal.of_instances(cause, [name for name, attachments in stale.items() if attachments], is_stale)
        self._metadata.remove_versions(stale)

    def remove_all(self, *orthanc_ids: str) -> int:
        """Purge instances; how many rows that were."""
        self._metadata.remove(orthanc_ids)
        return self._removal.of_instances("purged", orthanc_ids)


class DiskNotes:
    """Short texts."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, key: str, /) -> str | None:
        """The text last noted under this key, or None."""
        content = cast("bytes | None", self._table.get(NOTES + key))
        return None if content is None else content.decode(errors="replace")

    def __setitem__(self, key: str, text: str, /) -> None:
        """Note a text."""
        self._table.set(NOTES + key, text.encode())
