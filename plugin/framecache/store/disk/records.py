"""The records of a folder: a row for each instance, which is also what its last view is noted in."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import cast

from framecache.dicom.identity import InstancePath
from framecache.store.disk.access_times import AccessTimes
from framecache.store.disk.keys import record_key
from framecache.store.disk.table import Table
from framecache.store.disk.usage_table import UsageTable
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
