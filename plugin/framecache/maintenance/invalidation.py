"""Cleaning up: what was deleted leaves the cache, and last accesses are written down in batches."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from framecache.batches import batches
from framecache.errors import reason
from framecache.instances.catalogue import Catalogue
from framecache.prefetch.scheduler import Scheduler
from framecache.store.frame_store import FrameStore, StoreError
from framecache.threads import start_thread

logger = logging.getLogger(__name__)

# What is being read has to be known as such before a flood of new studies evicts it.
_FLUSH_SECONDS = 1.0
_LARGEST_BATCH = 200
_MOST_FAILED = 100_000


class Invalidation:
    """One thread; Orthanc's events only leave a note for it."""

    def __init__(self, catalogue: Catalogue, store: FrameStore, scheduler: Scheduler) -> None:
        self._catalogue, self._store, self._scheduler = catalogue, store, scheduler
        self._deleted: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._failed: dict[str, None] = {}
        self._next_flush = 0.0
        self._is_ending = False

    def start(self) -> threading.Thread:
        """Begin to work; what was deleted before is not lost."""
        return start_thread("frame-cache-janitor", self._work)

    def stop(self) -> None:
        """Write down the last accesses and end."""
        self._deleted.put(None)

    def deleted(self, orthanc_id: str) -> None:
        """An instance was deleted or replaced. Memory forgets it now, the disk a little later."""
        self._catalogue.forget(orthanc_id)
        self._scheduler.forget(orthanc_id)
        self._deleted.put(orthanc_id)

    def _work(self) -> None:
        """Until the end: deletions as they come, accesses every few seconds, also between deletions."""
        self._next_flush = time.monotonic() + _FLUSH_SECONDS
        while not self._is_ending:
            batch = self._batch()
            if batch:
                self._attempt(partial(self._catalogue.forget_stale, batch), batch)
            if self._is_ending or time.monotonic() >= self._next_flush:
                self._flush_and_retry()

    def _batch(self) -> list[str]:
        """What was deleted, some at a time."""
        batch: list[str] = []
        patience = max(0.0, self._next_flush - time.monotonic())
        while len(batch) < _LARGEST_BATCH and not self._is_ending:
            try:
                orthanc_id = self._deleted.get(timeout=0 if batch else patience)
            except queue.Empty:
                break
            self._is_ending = orthanc_id is None
            batch += [orthanc_id] if orthanc_id else []
        return list(dict.fromkeys(batch))

    def _flush_and_retry(self) -> None:
        self._attempt(self._flush)
        failed, self._failed = list(self._failed), {}
        for batch in batches(failed, _LARGEST_BATCH):
            self._attempt(partial(self._catalogue.forget_stale, batch), batch)
        self._next_flush = time.monotonic() + _FLUSH_SECONDS

    def _attempt(self, task: Callable[[], None], batch: Sequence[str] = ()) -> None:
        try:
            task()
        except Exception as error:  # noqa: BLE001 - the next deletion is carried out all the same
            if not isinstance(error, StoreError):  # the store itself has logged what is wrong with it
                logger.warning("removing deleted instances failed: %s", reason(error))
            if len(self._failed) < _MOST_FAILED:
                self._failed.update(dict.fromkeys(batch))

    def _flush(self) -> None:
        touched = self._catalogue.take_touched()
        if touched:
            self._store.touch(touched)
