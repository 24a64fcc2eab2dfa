"""Room for what is about to be written: bytes are reserved first, and instances are evicted to make them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from framecache.cache.frame_store import DoesNotFit
from framecache.cache.table import Table

_DISK_BLOCK = 4096
# What one block adds to the index, its journal and its folders, at most.
_INDEX_GROWTH = 1 << 16
_PREFIX_FOLDERS = 256
# Below this share of the limit an eviction stops, so that not every block written evicts one.
_LOW_WATERMARK = 0.95


class Room:
    """The bytes of one cache, `limit` at most."""

    def __init__(self, table: Table, limit: int) -> None:
        self._table, self.limit = table, limit
        self._lock = threading.Lock()
        self._reserved = 0

    def bytes_used(self) -> int:
        """Bytes on disk at most: index, journal, and for each row its folder or the unfilled end of its file."""
        rows = len(self._table)
        folders = min(rows, _PREFIX_FOLDERS)
        return int(self._table.volume()) + self._table.journal_size() + (rows + folders) * _DISK_BLOCK

    @contextlib.contextmanager
    def reserve(self, size: int, keep_orthanc_id: str) -> Iterator[None]:
        """Room for a file of `size` bytes, made before it is written by evicting others. Raises DoesNotFit."""
        size = -(-size // _DISK_BLOCK) * _DISK_BLOCK + _INDEX_GROWTH
        with self._lock:
            if self._used() + size > self.limit:
                self._evict_down_to(int(self.limit * _LOW_WATERMARK) - size, keep_orthanc_id)
                if self._used() + size > self.limit:
                    raise DoesNotFit("the instance does not fit into the cache")
            self._reserved += size
        try:
            yield
        finally:
            with self._lock:
                self._reserved -= size

    def _used(self) -> int:
        return self.bytes_used() + self._reserved

    def _evict_down_to(self, goal: int, keep_orthanc_id: str) -> None:
        self._table.shrink_journal()
        for orthanc_id in self._table.least_recently_used():
            if self._used() <= goal:
                break
            if orthanc_id != keep_orthanc_id:
                self._table.evict(orthanc_id)
        self._table.shrink_journal()
