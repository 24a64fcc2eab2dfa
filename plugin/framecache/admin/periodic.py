"""What is done every ten seconds, on a thread of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from framecache.errors import reason
from framecache.ports import Clock
from framecache.worker import Worker

logger = logging.getLogger(__name__)

# A part of a minute, so that each begin of a minute is met; and so much behind it, as clocks are not read at once.
_SECONDS = 10.0
_BEHIND = 0.005


class Periodic:
    """Calls `tasks` at each ten seconds of the clock on the wall."""

    def __init__(self, tasks: Sequence[Callable[[], None]], clock: Clock, seconds: float = _SECONDS) -> None:
        self._tasks, self._clock, self._seconds = tasks, clock, seconds
        self._shift = clock.time() - clock.monotonic()
        self._worker = Worker("periodic", self.turn, task="publishing metrics")
        self.start, self.stop, self.join = self._worker.start, self._worker.stop, self._worker.join

    def turn(self) -> float:
        """Do all of them; the seconds until the next time."""
        for task in self._tasks:
            self._attempt(task)
        position = self._shift + self._clock.monotonic() - _BEHIND
        return self._seconds - position % self._seconds

    def _attempt(self, task: Callable[[], None]) -> None:
        try:
            if not self._worker.is_stopping:
                task()
        except Exception as error:  # noqa: BLE001 - the next beat comes whatever happened at this one
            logger.info("publishing metrics failed: %s", reason(error))
