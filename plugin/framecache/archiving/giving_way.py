"""Work for the archive lets the local cache go first."""

from __future__ import annotations

from dataclasses import dataclass

from framecache.errors import Stopping
from framecache.ports import Clock
from framecache.prefetch.scheduler import Scheduler
from framecache.worker import Worker

_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class GivingWay:
    """Within reason: where instances are cached all the time, the archive waits `seconds`, and not for ever."""

    scheduler: Scheduler
    clock: Clock
    seconds: float

    def wait(self, worker: Worker) -> None:
        """Return when all queued instances are cached, or the time is over. Raises Stopping."""
        deadline = self.clock.monotonic() + self.seconds
        while self.scheduler.unfinished and self.clock.monotonic() < deadline:
            if worker.pause(_LOOK_SECONDS):
                raise Stopping
