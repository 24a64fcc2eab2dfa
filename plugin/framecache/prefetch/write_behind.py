"""Caches forms of frames that were made for a request, after the answer."""

from __future__ import annotations

import logging
import threading
from collections import deque

from framecache.instances.catalogue import Catalogue
from framecache.instances.entry import Entry
from framecache.store.store import Store
from framecache.worker import Worker

_MOST_BYTES = 256 << 20


class WriteBehind:
    """One thread and a queue that is bounded in bytes: what does not fit is made again when it is asked for again."""

    def __init__(self, catalogue: Catalogue, store: Store) -> None:
        self._catalogue, self._store = catalogue, store
        self._queue: deque[tuple[Entry, str, int, bytes]] = deque()
        self._bytes = 0
        self._forgotten: set[str] = set()
        self._lock = threading.Lock()
        # The answer is out; only the next one will be slow again.
        self._worker = Worker("write-behind", self._write_next, task="caching a frame", level=logging.INFO)
        self.start, self.stop = self._worker.start, self._worker.stop

    @property
    def pending_bytes(self) -> int:
        """Bytes that wait to be written, or are being written."""
        return self._bytes

    def keep(self, entry: Entry, form: str, frame_number: int, content: bytes) -> None:
        """Cache one frame of `entry` in the form of that key. Returns at once."""
        if not entry.treatment.is_kept or entry.treatment.mode == "index":
            return  # who asked for an index alone wants nothing else written
        with self._lock:
            if self._bytes + len(content) > _MOST_BYTES:
                return
            self._bytes += len(content)
        self._queue.append((entry, form, frame_number, content))
        self._worker.wake()

    def forget(self, orthanc_id: str) -> None:
        """The instance is about to be purged: drop its pending frames, and remove one that is being written."""
        with self._lock:
            if self._bytes:
                self._forgotten.add(orthanc_id)

    def _write_next(self) -> float | None:
        if not self._queue:
            return None
        item = self._queue.popleft()
        try:
            self._write(*item)
        finally:
            with self._lock:
                self._bytes -= len(item[3])
                if not self._bytes:
                    self._forgotten.clear()
        return 0.0

    def _write(self, entry: Entry, form: str, frame_number: int, content: bytes) -> None:
        if entry.instance.orthanc_id in self._forgotten:
            return
        if self._store.records.get(entry.instance.path) is None:  # another may be that of a newer version
            self._store.records.keep(entry.instance.to_json())
        entry.add(self._store.blocks.keep(entry.instance, form, {frame_number: memoryview(content)}))
        if not self._catalogue.still_holds(entry):
            self._catalogue.forget_stale([entry.instance.orthanc_id])
        if entry.instance.orthanc_id in self._forgotten:
            self._store.versions.remove_all(entry.instance.orthanc_id)
