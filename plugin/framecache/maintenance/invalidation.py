"""Removes deleted and replaced instances from the cache, and saves last accesses, in batches."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from framecache.batches import batches
from framecache.errors import reason
from framecache.instances.catalogue import Catalogue
from framecache.prefetch.scheduler import Scheduler
from framecache.store.errors import StoreError
from framecache.store.parts import Records
from framecache.worker import Worker

logger = logging.getLogger(__name__)

# Accesses are saved before a flood of new studies could evict what is being read.
_FLUSH_SECONDS = 1.0
_LARGEST_BATCH = 200
_MOST_FAILED = 100_000


class Invalidation:
    """One thread; Orthanc's events are only queued for it."""

    def __init__(
        self, catalogue: Catalogue, records: Records, scheduler: Scheduler, flush_seconds: float = _FLUSH_SECONDS
    ) -> None:
        self._catalogue, self._records, self._scheduler = catalogue, records, scheduler
        self._deleted, self._failed = deque[str](), dict[str, None]()
        self._flush_seconds, self._next_flush = flush_seconds, 0.0
        self._worker = Worker("invalidation", self._turn, end=self._end, task="removing deleted instances")
        self.start, self.stop, self.join = self._worker.start, self._worker.stop, self._worker.join

    def deleted(self, orthanc_id: str) -> None:
        """An instance was deleted or replaced. Memory forgets it now, the disk a little later."""
        self._catalogue.forget(orthanc_id)
        self._scheduler.forget(orthanc_id)
        self._deleted.append(orthanc_id)
        self._worker.wake()

    def _turn(self) -> float:
        """Deletions as they come, accesses every few seconds, also between deletions."""
        self._remove_batch()
        if time.monotonic() >= self._next_flush:
            self._flush_and_retry()
        return 0.0 if self._deleted else max(0.0, self._next_flush - time.monotonic())

    def _end(self) -> None:
        while self._deleted:
            self._remove_batch()
        self._flush_and_retry()

    def _remove_batch(self) -> None:
        batch = [self._deleted.popleft() for _ in range(min(len(self._deleted), _LARGEST_BATCH))]
        if batch:
            self._attempt(partial(self._catalogue.forget_stale, list(dict.fromkeys(batch))), batch)

    def _flush_and_retry(self) -> None:
        self._attempt(self._flush)
        failed, self._failed = list(self._failed), {}
        for batch in batches(failed, _LARGEST_BATCH):
            self._attempt(partial(self._catalogue.forget_stale, batch), batch)
        self._next_flush = time.monotonic() + self._flush_seconds

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
            self._records.touch(touched)
