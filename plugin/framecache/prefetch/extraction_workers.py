"""The threads that cache instances, each one form of one instance at a time."""

from __future__ import annotations

import contextlib
import logging
import threading

from framecache.errors import (
    FrameCacheError,
    HandOver,
    InstanceGone,
    NotFound,
    Overloaded,
    SharedUids,
    Stopping,
    reason,
)
from framecache.instances.catalogue import Catalogue
from framecache.ports import Clock
from framecache.prefetch.extraction_states import ExtractionState
from framecache.prefetch.instance_caching import GONE, InstanceCaching
from framecache.prefetch.scheduler import Scheduler
from framecache.prefetch.task import Task
from framecache.store.errors import DoesNotFit, StoreError
from framecache.store.store import Store
from framecache.telemetry.metrics import Metrics
from framecache.threads import lower_disk_priority
from framecache.worker import Worker

logger = logging.getLogger(__name__)


class ExtractionWorkers:
    """Some threads for all that is queued, and one for the backfill."""

    def __init__(
        self,
        number: int,
        scheduler: Scheduler,
        caching: InstanceCaching,
        catalogue: Catalogue,
        store: Store,
        metrics: Metrics,
        clock: Clock,
        *,
        pause: float = 5.0,
    ) -> None:
        """`number` of those threads; one that got no memory tries again after `pause` seconds."""
        self._pause = pause
        self._scheduler, self._caching, self._catalogue, self._store = scheduler, caching, catalogue, store
        self._metrics, self._clock, self._stopping = metrics, clock, threading.Event()
        task = "caching an instance"
        front = [Worker(f"extraction-{i}", self._take_next, task=task) for i in range(number)]
        back = Worker("backfill-extraction", self._take_next_of_backfill, task=task, begin=lower_disk_priority)
        self._workers = [*front, back]

    def start(self) -> None:
        """Begin; the store has to be open for writing."""
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        """End after the block that is being written. Returns at once."""
        self._scheduler.close()
        self._stopping.set()
        for worker in self._workers:
            worker.stop()

    def join(self, seconds: float) -> bool:
        """Wait up to so long for the end of each; whether all have ended."""
        for worker in self._workers:
            worker.join(seconds)
        return not any(worker.is_alive() for worker in self._workers)

    def _take_next_of_backfill(self) -> float | None:
        return self._take_next(in_background=True)

    def _take_next(self, *, in_background: bool = False) -> float | None:
        """Wait for the next task, and do it."""
        if (task := self._scheduler.take(in_background=in_background)) is None:
            return None  # closed
        state = self._do(task)
        self._scheduler.finish(task, self._take_back(task) if task.is_cancelled else state)
        return 0.0

    def _do(self, task: Task) -> ExtractionState:
        """One bad instance stops nothing."""
        try:
            return self._caching.cache(task)
        except InstanceGone:  # Orthanc tells late, or never where it only compressed the file
            return self._scheduler.retry(task, 0, GONE)
        except Overloaded as error:
            self._stopping.wait(self._pause)
            return self._scheduler.retry(task, task.ticket.step, str(error))
        except Stopping:
            return ExtractionState("queued")
        except (NotFound, HandOver, StoreError) as error:  # the store itself has logged what is wrong with it
            return self._skipped(task, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next instance is tried
            return self._failed(task, error)

    def _skipped(self, task: Task, error: FrameCacheError) -> ExtractionState:
        is_to_rest = isinstance(error, DoesNotFit) and not task.ticket.is_background  # for which others make no room
        at = self._clock.monotonic() if is_to_rest else 0.0
        is_gone = isinstance(error, NotFound) and not isinstance(error, SharedUids)
        return ExtractionState("skipped", GONE if is_gone else str(error), at)

    def _failed(self, task: Task, error: Exception) -> ExtractionState:
        self._metrics.count("failed_extractions")
        logger.warning("caching instance %s failed: %s", task.orthanc_id, reason(error))
        failed_frames = error.frames if isinstance(error, FrameCacheError) else ()
        return ExtractionState("failed", reason(error), self._clock.monotonic(), failed_frames)

    def _take_back(self, task: Task) -> ExtractionState:
        """Purged while it was extracted: what was written since goes as well."""
        with contextlib.suppress(Exception):  # noted by the store itself; whatever it is, this worker goes on
            self._store.versions.remove_all(task.orthanc_id)
        self._catalogue.forget(task.orthanc_id)
        return ExtractionState("skipped", "purged during extraction")
