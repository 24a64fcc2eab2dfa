"""Warming: instances are handed to the filler as it has room, and followed until each has ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from framecache.admin.jobs import Job, Work
from framecache.instances.catalogue import Catalogue
from framecache.prefetch.priority import Priority
from framecache.prefetch.scheduler import Scheduler
from framecache.store.frame_store import FrameStore

# More than the workers can have done before the next look, and few enough that all that waits is soon withdrawn.
_MOST_QUEUED = 500
_PAUSE_SECONDS = 0.1
_MOST_ERRORS = 100


class Warming:
    """What goes behind all that arrives."""

    def __init__(self, scheduler: Scheduler, catalogue: Catalogue, store: FrameStore) -> None:
        self._scheduler, self._catalogue, self._store = scheduler, catalogue, store

    def of(self, orthanc_ids: Sequence[str]) -> Work:
        """The work of a job that warms these instances.

        Its result counts those that are "Cached", "Skipped" (the settings leave them out, or they are gone) and
        "Failed", with the first "Errors" by Orthanc ID.
        """

        def work(job: Job) -> None:
            job.result = {"Cached": 0, "Skipped": 0, "Failed": 0, "Errors": {}}
            left, queued = deque(orthanc_ids), list[str]()
            while (left or queued) and not job.is_cancelled:
                while left and len(queued) < _MOST_QUEUED and self._scheduler.has_room():
                    queued.append(left.popleft())
                    self._scheduler.submit(queued[-1], Priority.WARMED)
                job.pause(_PAUSE_SECONDS)
                busy = [orthanc_id for orthanc_id in queued if self._scheduler.is_busy_with(orthanc_id)]
                self._count(job, job.result, sorted(set(queued) - set(busy)))
                queued = busy
            for orthanc_id in queued:
                self._scheduler.withdraw(orthanc_id)

        return work

    def _count(self, job: Job, result: dict[str, Any], ended: Sequence[str]) -> None:
        for orthanc_id in ended:
            state = self._scheduler.state(orthanc_id)
            outcome = state.state.capitalize() if state and state.state in ("cached", "failed") else "Skipped"
            result[outcome] += 1
            if state and state.state == "failed" and len(result["Errors"]) < _MOST_ERRORS:
                result["Errors"][orthanc_id] = state.error
        held = self._catalogue.on_desk(lambda: self._store.held_instances(ended)) if ended else {}
        job.advance(len(ended), sum(one.size for one in held.values()))
