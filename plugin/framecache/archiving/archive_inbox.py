"""Notes deletions and viewed instances for the archive at once: nobody reports them a second time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from framecache.archiving.ledger import Ledger, Task
from framecache.telemetry.metrics import Metrics
from framecache.worker import Worker

# A deletion of more instances within the time of one transaction loses some.
_MOST = 200_000
_RETRY_SECONDS = 5.0


class ArchiveInbox:
    """One thread, which only writes to the ledger: the archive may be out of reach for long."""

    def __init__(self, ledger: Ledger, metrics: Metrics, when_noted: Callable[[], None]) -> None:
        self._ledger, self._metrics, self._when_noted = ledger, metrics, when_noted
        self._tasks = deque[tuple[str, Task]](maxlen=_MOST)
        self._worker = Worker(
            "archive-inbox",
            self._note,
            task="noting what is to be archived",
            end=self._drain,
            retry_seconds=_RETRY_SECONDS,
        )
        self.start, self.stop, self.join = self._worker.start, self._worker.stop, self._worker.join

    def deleted(self, orthanc_id: str) -> None:
        """Orthanc has deleted or replaced an instance. Returns at once."""
        self._add((orthanc_id, "delete"))

    def wanted(self, orthanc_id: str) -> None:
        """A viewer has opened an instance. Returns at once."""
        self._add((orthanc_id, "write"))

    def _add(self, task: tuple[str, Task]) -> None:
        self._tasks.append(task)
        self._worker.wake()

    def _note(self) -> float | None:
        if not self._tasks:
            return None
        self._drain()
        self._when_noted()
        return 0.0

    def _drain(self) -> None:
        tasks = [self._tasks.popleft() for _ in range(len(self._tasks))]
        try:
            refused = self._ledger.add(tasks)
        except Exception:
            self._tasks.extendleft(reversed(tasks))
            raise
        self._metrics.count("archive_dropped", refused)
