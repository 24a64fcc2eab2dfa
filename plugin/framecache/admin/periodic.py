"""What is done every ten seconds, on a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from framecache.errors import reason
from framecache.ports import Clock
from framecache.threads import make_way, start_thread

logger = logging.getLogger(__name__)

# A part of a minute, so that each begin of a minute is met; and so much behind it, as clocks are not read at once.
_SECONDS = 10.0
_BEHIND = 0.005


class Periodic:
    """Calls `tasks` at each ten seconds of the clock on the wall."""

    def __init__(self, tasks: Sequence[Callable[[], None]], clock: Clock) -> None:
        self._tasks, self._clock = tasks, clock
        self._shift = clock.time() - clock.monotonic()
        self._stopping = threading.Event()

    def start(self) -> threading.Thread:
        """Begin, at once."""
        return start_thread("frame-cache-pulse", self._work)

    def stop(self) -> None:
        """End behind the task that is being done."""
        self._stopping.set()

    def _work(self) -> None:
        make_way()
        while not self._stopping.is_set():
            for task in self._tasks:
                self._attempt(task)
            position = self._shift + self._clock.monotonic() - _BEHIND
            self._stopping.wait(_SECONDS - position % _SECONDS)

    def _attempt(self, task: Callable[[], None]) -> None:
        try:
            if not self._stopping.is_set():
                task()
        except Exception as error:  # noqa: BLE001 - the next beat comes whatever happened at this one
            logger.info("publishing metrics failed: %s", reason(error))
