"""Periodic tasks, every ten seconds, on one thread."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from framecache.errors import reason
from framecache.ports import Clock
from framecache.worker import Worker

logger = logging.getLogger(__name__)

# A divisor of a minute, so that a turn falls on the start of each minute. The delay makes up for reading two clocks
# one after the other.
_SECONDS = 10.0
_DELAY = 0.005


class Periodic:
    """Calls `tasks` at each multiple of `seconds` of wall-clock time."""

    def __init__(self, tasks: Sequence[Callable[[], None]], clock: Clock, seconds: float = _SECONDS) -> None:
        self._tasks, self._clock, self._seconds = tasks, clock, seconds
        self._shift = clock.time() - clock.monotonic()
        self._worker = Worker("periodic", self.turn, task="publishing metrics")
        self.start, self.stop, self.join = self._worker.start, self._worker.stop, self._worker.join

    def turn(self) -> float:
        """Run all tasks; return the seconds until the next turn."""
        for task in self._tasks:
            self._attempt(task)
        position = self._shift + self._clock.monotonic() - _DELAY
        return self._seconds - position % self._seconds

    def _attempt(self, task: Callable[[], None]) -> None:
        try:
            if not self._worker.is_stopping:
                task()
        except Exception as error:  # noqa: BLE001 - one failing task must not stop the others
            logger.info("publishing metrics failed: %s", reason(error))
