"""Checks the store before anything is written, and then tends it and the memory of answers every second."""

from __future__ import annotations

import logging
from collections.abc import Callable

from framecache.store.buffers import BufferPool
from framecache.store.store import Store
from framecache.worker import Worker

_SECONDS = 1.0
# While the store is degraded it is retried less and less often, down to this interval.
_LONGEST_SECONDS = 15.0


class Housekeeping:
    """One thread."""

    def __init__(
        self,
        store: Store,
        pool: BufferPool,
        when_checked: Callable[[], None] = lambda: None,
        seconds: float = _SECONDS,
    ) -> None:
        """`when_checked` is called after the first check, even a failed one: the store may be written from then on."""
        self._store, self._pool, self._when_checked = store, pool, when_checked
        self._seconds = self._pause = seconds
        self._worker = Worker(
            "housekeeping",
            self._tend,
            begin=self._check,
            task="housekeeping",
            level=logging.ERROR,
            retry_seconds=seconds,
        )
        self.start, self.stop, self.join = self._worker.start, self._worker.stop, self._worker.join

    def _check(self) -> None:
        try:
            self._store.check(lambda: self._worker.is_stopping)
        finally:
            self._when_checked()

    def _tend(self) -> float:
        self._pool.trim()
        self._store.tend(lambda: self._worker.is_stopping)
        self._pause = min(2 * self._pause, _LONGEST_SECONDS) if self._store.degraded else self._seconds
        return self._pause
