"""The disk-backed LRU of frames: diskcache's index and files, bounded in bytes, evicted by instance.

Only the plugin's own long-lived threads may call a store: diskcache keeps a SQLite connection for each, and every
request comes on a new one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import diskcache

from framecache.store.disk.access_times import AccessTimes
from framecache.store.disk.blocks import DiskBlocks
from framecache.store.disk.eviction import Eviction, Expiry, Lifetime
from framecache.store.disk.folder import Folder
from framecache.store.disk.metadata import SHARE, DiskMetadata
from framecache.store.disk.pins import DiskPins
from framecache.store.disk.records import DiskNotes, DiskRecords, DiskVersions
from framecache.store.disk.recovery import Recovery, disk_usage, other_versions
from framecache.store.disk.removal import Removal
from framecache.store.disk.space import Bounds, DiskSpace
from framecache.store.disk.table import IndexReplaced, Table, is_damage
from framecache.store.disk.usage_table import UsageTable
from framecache.store.parts import Blocks, Metadata, Notes, OnRemoved, Pins, Records, Space, Usage, Versions
from framecache.store.store import RecoveryReport


class DiskStore:
    """The cache's folder."""

    faults: ClassVar[tuple[type[Exception], ...]] = (OSError, sqlite3.Error, diskcache.Timeout, ValueError)
    blocks: Blocks
    records: Records
    versions: Versions
    metadata: Metadata
    usage: Usage
    space: Space
    pins: Pins
    notes: Notes

    def __init__(
        self,
        directory: Path,
        limit: int,
        minimum_free: int = 0,
        lifetime: Lifetime = Lifetime(),  # noqa: B008 - frozen
        on_removed: OnRemoved = lambda *_: None,
        *,
        expiry_batch: int = 500,
        metadata_made_by: str = "",
    ) -> None:
        """Open or make the cache in `directory`: `limit` bytes at most, and `minimum_free` are left on its disk.

        `on_removed` is called with all that leaves. `tend` looks at the age of `expiry_batch` instances at once.
        Metadata that was kept under another `metadata_made_by` is dropped. Raises StoreError.
        """
        self._metadata_made_by = metadata_made_by
        self.limit, self._folder, self._expiry_batch = limit, Folder(directory), expiry_batch
        bounds = Bounds(limit, minimum_free)
        try:
            self._folder.open(lambda table: self._assemble(table, bounds, lifetime, Removal(table, on_removed)))
        except BaseException:
            self._folder.close()
            raise

    def _assemble(self, table: Table, bounds: Bounds, lifetime: Lifetime, removal: Removal) -> None:
        self._table, self._removal, access_times = table, removal, AccessTimes(table)
        self.pins = pins = DiskPins(table)
        self.usage = usage = UsageTable(table)
        self.space = self._space = DiskSpace(table, bounds, Eviction(access_times, pins, removal))
        self.blocks = self._blocks = DiskBlocks(table, self._space, removal)
        self.records = DiskRecords(table, access_times, usage)
        self.metadata = self._metadata = DiskMetadata(
            table, self._space, int(bounds.limit * SHARE), self._metadata_made_by
        )
        self.versions = DiskVersions(table, removal, self._metadata)
        self.notes = DiskNotes(table)
        self._shortest_stay = lifetime.shortest
        self._expiry = Expiry(access_times, pins, removal, lifetime, self._expiry_batch)

    def is_damage(self, error: Exception) -> bool:
        """Whether the index cannot be used any more: its files are worthless without it."""
        return is_damage(error)

    def is_replacement(self, error: Exception) -> bool:
        """Whether another index lies in the folder than the open one."""
        return isinstance(error, IndexReplaced)

    def check(self, is_stopping: Callable[[], bool]) -> RecoveryReport:
        """Remove what a crash left behind. Nothing may be written meanwhile."""
        report = Recovery(self._table, self._removal, is_stopping).run()
        self._space.unknown = sum(map(disk_usage, other_versions(Path(self._table.directory))))
        return report

    def tend(self, now: float) -> None:
        """What time brings: files that could not be unlinked, a disk that fills up, instances to expire.

        Raises IndexDamaged, IndexReplaced, DiskLow.
        """
        self._table.verify_in_place()
        self._table.files.retry()
        self._space.tend()
        self._expiry.step(now)
        if self._shortest_stay:
            self._metadata.expire(now - self._shortest_stay)

    def probe(self) -> None:
        """Write as `blocks.keep` does, and take it back. Raises what that would."""
        self._blocks.probe()

    def set_aside(self) -> None:
        """Give up an index that cannot be read, and its files with it, and close."""
        try:
            self._folder.set_aside()
        finally:
            self.close()

    def close(self) -> None:
        """Close this thread's connection and release the folder."""
        self._table.close()
        self._folder.close()
