"""Room for what is about to be written: bytes are reserved first, and instances are evicted to make them."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from framecache.store.disk.block_disk import DISK_BLOCK
from framecache.store.disk.pins import Pins
from framecache.store.disk.table import Table
from framecache.store.frame_store import DoesNotFit, OnRemoved, StoreError
from framecache.telemetry.metrics import RemovalCause

# What one block adds to the index, its journal and its folders, at most.
_INDEX_GROWTH = 1 << 16
_PREFIX_FOLDERS = 256
# Below this share of the limit an eviction stops, so that not every block written evicts one.
_LOW_WATERMARK = 0.95
# And above this multiple of what has to be free on the disk.
_HIGH_WATERMARK = 1.05


class DiskLow(StoreError):
    """Less is free on the disk than has to be, though all was evicted that may be."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most bytes that a cache may hold, and the least that it leaves free on its disk."""

    limit: int
    minimum_free: int = 0


class Room:
    """The bytes of one cache. `unknown` are those beside its index that could not be removed."""

    def __init__(self, table: Table, bounds: Bounds, pins: Pins, on_removed: OnRemoved) -> None:
        """`on_removed` is told of what is evicted."""
        self._table, self._bounds, self._pins, self._on_removed = table, bounds, pins, on_removed
        self._lock = threading.Lock()
        self._reserved = 0
        self.unknown = 0

    @property
    def limit(self) -> int:
        """The most bytes that the folder may hold."""
        return self._bounds.limit

    def bytes_used(self) -> int:
        """Bytes on disk at most: index, journal, and for each row its folder or the unfilled end of its file."""
        rows = len(self._table)
        folders = min(rows, _PREFIX_FOLDERS)
        beside = self._table.journal_size() + self._table.blocks_on_disk.stuck_bytes + self.unknown
        return int(self._table.volume()) + beside + (rows + folders) * DISK_BLOCK

    @contextlib.contextmanager
    def reserve(self, size: int, orthanc_id: str, *, may_evict: bool = True) -> Iterator[None]:
        """Room for a file of `size` bytes, made before it is written by evicting others than this instance.

        Unless `may_evict`, which leaves only what is free.

        Raises DoesNotFit, DiskLow.
        """
        size = -(-size // DISK_BLOCK) * DISK_BLOCK + _INDEX_GROWTH
        if size > self._bounds.limit:
            raise DoesNotFit("this does not fit into the cache, were it empty")
        with self._lock:
            if self._is_over(size) or self._is_low(size):
                if may_evict:
                    self._evict(size, orthanc_id)
                else:
                    self._table.shrink_journal()
                if self._is_over(size):
                    raise DoesNotFit("the instance does not fit into the cache")
                if self._is_low(size) and not may_evict:
                    raise DoesNotFit("the disk has no room to spare")
                if self._is_low(size):
                    raise DiskLow(f"less than {self._bounds.minimum_free >> 20} MiB (MinimumFreeDiskMB) are free")
            self._reserved += size
        try:
            yield
        finally:
            with self._lock:
                self._reserved -= size

    def spare(self) -> int:
        """The bytes that can be written before anything is evicted; negative where something has to be."""
        within_limit = self._bounds.limit - self.bytes_used() - self._reserved
        if not self._bounds.minimum_free:
            return within_limit
        return min(within_limit, self._disk_free() - self._bounds.minimum_free - self._reserved)

    def tend(self) -> None:
        """Give room back to the disk where others need it. Raises DiskLow."""
        if self._is_low(0):
            with self.reserve(0, ""):
                pass

    def _is_over(self, size: int, share: float = 1.0) -> bool:
        return self.bytes_used() + self._reserved + size > self._bounds.limit * share

    def _is_low(self, size: int, share: float = 1.0) -> bool:
        if not self._bounds.minimum_free:
            return False
        return self._disk_free() < self._bounds.minimum_free * share + self._reserved + size

    def _disk_free(self) -> int:
        disk = os.statvfs(self._table.directory)
        return disk.f_bavail * disk.f_frsize

    def _evict(self, size: int, orthanc_id: str) -> None:
        self._table.shrink_journal()
        for candidate in self._pins.without(self._table.least_recently_used(), self._bounds.limit):
            if not (self._is_over(size, _LOW_WATERMARK) or self._is_low(size, _HIGH_WATERMARK)):
                break
            if candidate != orthanc_id:
                cause: RemovalCause = "size" if self._is_over(size, _LOW_WATERMARK) else "free_disk"
                removed = self._table.remove_tagged([candidate])
                self._on_removed(cause, removed.orthanc_ids, removed.size)
        self._table.shrink_journal()
