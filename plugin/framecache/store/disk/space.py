"""The bytes of a cache's folder: reserved before they are written; instances are evicted to make room."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from framecache.store.disk.block_disk import DISK_BLOCK
from framecache.store.disk.eviction import Eviction
from framecache.store.disk.table import Table
from framecache.store.errors import DoesNotFit, StoreError
from framecache.store.parts import RemovalCause

# What one block adds to the index, its journal and its folders, at most.
_INDEX_GROWTH = 1 << 16
_PREFIX_FOLDERS = 256
# Below this share of the limit an eviction stops, so that not every block written evicts one.
_LOW_WATERMARK = 0.95
# And above this multiple of what has to be free on the disk.
_HIGH_WATERMARK = 1.05


class DiskLow(StoreError):
    """The disk has less free than it must, and nothing more can be evicted."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most bytes that a cache may use, and the least that it leaves free on its disk."""

    limit: int
    minimum_free: int = 0


class DiskSpace:
    """The bytes of one cache. `unknown` are those beside its index that could not be removed."""

    def __init__(self, table: Table, bounds: Bounds, eviction: Eviction) -> None:
        self._table, self._bounds, self._eviction = table, bounds, eviction
        self._lock = threading.Lock()
        self._reserved = 0
        self.unknown = 0

    def used(self) -> int:
        """Bytes on disk at most: index, journal, and for each row its folder or the unfilled end of its file."""
        rows = self.rows()
        folders = min(rows, _PREFIX_FOLDERS)
        beside = self._table.journal_size() + self._table.files.stuck_bytes + self.unknown
        return int(self._table.volume()) + beside + (rows + folders) * DISK_BLOCK

    def left(self) -> int:
        """The bytes that can be written before anything is evicted; negative where something has to be."""
        within_limit = self._bounds.limit - self.used() - self._reserved
        if not self._bounds.minimum_free:
            return within_limit
        return min(within_limit, self._disk_free() - self._bounds.minimum_free - self._reserved)

    def rows(self) -> int:
        """The number of blocks, indexes and records."""
        return len(self._table)

    @contextlib.contextmanager
    def reserve(self, size: int, orthanc_id: str, *, may_evict: bool = True) -> Iterator[None]:
        """Reserve `size` bytes for a file before it is written, by evicting others than this instance.

        Without `may_evict` only what is free is reserved. Raises DoesNotFit, DiskLow.
        """
        size = -(-size // DISK_BLOCK) * DISK_BLOCK + _INDEX_GROWTH
        if size > self._bounds.limit:
            raise DoesNotFit("this is larger than the whole cache")
        with self._lock:
            if self._is_over(size) or self._is_low(size):
                self._make_room(size, orthanc_id, may_evict=may_evict)
            self._reserved += size
        try:
            yield
        finally:
            with self._lock:
                self._reserved -= size

    def tend(self) -> None:
        """Give room back to the disk where others need it. Raises DiskLow."""
        if self._is_low(0):
            with self.reserve(0, ""):
                pass

    def _make_room(self, size: int, orthanc_id: str, *, may_evict: bool) -> None:
        self._table.shrink_journal()
        if may_evict:
            self._eviction.run(self._bounds.limit, orthanc_id, lambda: self._shortage(size))
            self._table.shrink_journal()
        if self._is_over(size):
            raise DoesNotFit("the instance does not fit into the cache")
        if self._is_low(size) and not may_evict:
            raise DoesNotFit("the disk has no room to spare")
        if self._is_low(size):
            raise DiskLow(f"less than {self._bounds.minimum_free >> 20} MiB (MinimumFreeDiskMB) are free")

    def _shortage(self, size: int) -> RemovalCause | None:
        """Why more has to be evicted, so that the next ones need not; None when it is enough."""
        if self._is_over(size, _LOW_WATERMARK):
            return "size"
        return "free_disk" if self._is_low(size, _HIGH_WATERMARK) else None

    def _is_over(self, size: int, share: float = 1.0) -> bool:
        return self.used() + self._reserved + size > self._bounds.limit * share

    def _is_low(self, size: int, share: float = 1.0) -> bool:
        if not self._bounds.minimum_free:
            return False
        return self._disk_free() < self._bounds.minimum_free * share + self._reserved + size

    def _disk_free(self) -> int:
        disk = os.statvfs(self._table.directory)
        return disk.f_bavail * disk.f_frsize
