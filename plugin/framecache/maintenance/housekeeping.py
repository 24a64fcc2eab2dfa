"""Looks after the store and the memory of answers: the store before anything is written, both every few seconds."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from framecache.errors import reason
from framecache.store.buffers import BufferPool
from framecache.store.frame_store import FrameStore
from framecache.threads import make_way, start_thread

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 1.0
# While the store is degraded it is tried less and less often, to no longer than this.
_LONGEST_PAUSE_SECONDS = 15.0


class Housekeeping:
    """One thread."""

    def __init__(self, store: FrameStore, pool: BufferPool) -> None:
        self._store, self._pool = store, pool
        self._stopping = threading.Event()

    def start(self, when_checked: Callable[[], None]) -> threading.Thread:
        """Begin with the check; `when_checked` is called behind it, and things may be written then."""

        def work() -> None:
            make_way()
            self._attempt(self._store.check)
            when_checked()
            pause = _PAUSE_SECONDS
            while not self._stopping.wait(pause):
                self._attempt(self._store.tend)
                self._pool.trim()
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS) if self._store.degraded else _PAUSE_SECONDS

        return start_thread("frame-cache-caretaker", work)

    def stop(self) -> None:
        """End soon; nothing is waited for."""
        self._stopping.set()

    def _attempt(self, task: Callable[[Callable[[], bool]], None]) -> None:
        if self._stopping.is_set():
            return  # the store may be closed
        try:
            task(self._stopping.is_set)
        except Exception as error:  # noqa: BLE001 - the next round is made whatever happened in this one
            logger.error("housekeeping failed: %s", reason(error))
