"""Long work that was asked for: it goes on behind the answer, can be followed and can be ended."""

from __future__ import annotations

import logging
import threading
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from framecache.admin.area import iso
from framecache.errors import FrameCacheError, NotFound, Overloaded, reason
from framecache.ports import Clock
from framecache.telemetry.events import Events
from framecache.threads import lower_priority, start_thread

logger = logging.getLogger(__name__)

State = Literal["queued", "running", "done", "failed", "cancelled", "paused"]
Unit = Literal["instances", "frames"]
_ENDED = frozenset({"done", "failed", "cancelled"})
_MOST_UNFINISHED = 1000
_MOST_ENDED = 500


@dataclass(eq=False)
class Job:
    """One piece of work, as those who do it and those who follow it see it. Times are seconds since the epoch.

    `total` is None while nobody knows it. Its `result` may grow while it is at work.
    """

    kind: str
    level: str | None
    subject: str | None
    unit: Unit
    created: float
    total: int | None = None
    state: State = "queued"
    done: int = 0
    size: int = 0
    ended: float | None = None
    error: str | None = None
    result: dict[str, Any] | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    _cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def has_ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in _ENDED

    @property
    def is_cancelled(self) -> bool:
        """Whether it is to end as soon as it can."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Ask it to end."""
        self._cancelled.set()

    def pause(self, seconds: float) -> None:
        """Wait so long, or until it is cancelled."""
        self._cancelled.wait(seconds)

    def advance(self, count: int = 1, size: int = 0) -> None:
        """So many more instances or frames are done, of so many bytes. Only the thread that works on it may call it."""
        self.done += count
        self.size += size

    def to_json(self) -> dict[str, Any]:
        """As the routes show it."""
        return {
            "ID": self.id,
            "Kind": self.kind,
            "Level": self.level,
            "Subject": self.subject,
            "State": self.state,
            "Done": self.done,
            "Total": self.total,
            "Unit": self.unit,
            "Bytes": self.size,
            "Created": iso(self.created),
            "Ended": iso(self.ended),
            "Error": self.error,
            "Result": self.result,
        }


# What a job does, on a thread of its own. Raises FrameCacheError.
Work = Callable[[Job], None]


class Jobs:
    """All jobs of this run. Those of one kind are done one after the other, in the order of their coming."""

    def __init__(
        self, clock: Clock, events: Events, *, most_unfinished: int = _MOST_UNFINISHED, most_ended: int = _MOST_ENDED
    ) -> None:
        """Beyond `most_unfinished` no job is taken; of those that ended `most_ended` are remembered."""
        self._clock, self._events = clock, events
        self._most_unfinished, self._most_ended = most_unfinished, most_ended
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._waiting: dict[str, deque[tuple[Job, Work]]] = {}
        self._changed, self._is_stopping = threading.Condition(), False

    def begin(
        self,
        kind: str,
        work: Work,
        *,
        level: str | None = None,
        subject: str | None = None,
        unit: Unit = "instances",
        total: int | None = None,
    ) -> Job:
        """Have `work` done. Raises Overloaded where too much waits already."""
        job = Job(kind, level, subject, unit, self._clock.time(), total)
        with self._changed:
            if sum(not known.has_ended for known in self._jobs.values()) >= self._most_unfinished or self._is_stopping:
                raise Overloaded(f"there are {self._most_unfinished} jobs already that have not ended; try again later")
            self._jobs[job.id] = job
            if kind not in self._waiting:
                self._waiting[kind] = deque()
                start_thread(f"frame-cache-{kind}", lambda: self._serve(self._waiting[kind]))
            self._waiting[kind].append((job, work))
            self._changed.notify_all()
        return job

    def all(self) -> list[Job]:
        """The newest first."""
        with self._changed:
            return list(reversed(self._jobs.values()))

    def find(self, job_id: str) -> Job:
        """Raises NotFound."""
        with self._changed:
            job = self._jobs.get(job_id)
        if job is None:
            raise NotFound("there is no such job; those that ended are forgotten after a while, and with a restart")
        return job

    def cancel(self, job_id: str) -> Job:
        """Ask a job to end; one that waits has ended then. Raises NotFound."""
        job = self.find(job_id)
        job.cancel()
        with self._changed:
            for waiting in self._waiting.values():
                for item in [item for item in waiting if item[0] is job]:
                    waiting.remove(item)
                    self._end(job, "cancelled")
        return job

    @property
    def is_stopping(self) -> bool:
        """Whether it is Orthanc's end that ends them."""
        return self._is_stopping

    def stop(self) -> None:
        """Have all end; nothing is waited for."""
        with self._changed:
            self._is_stopping = True
            for job in self._jobs.values():
                job.cancel()
            self._changed.notify_all()

    def _serve(self, waiting: deque[tuple[Job, Work]]) -> None:
        lower_priority()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(waiting) or self._is_stopping)
                if self._is_stopping:
                    return
                job, work = waiting.popleft()
                job.state = "running"
            self._do(job, work)

    def _do(self, job: Job, work: Work) -> None:
        try:
            work(job)
        except FrameCacheError as error:
            job.error = str(error)
        except Exception as error:  # noqa: BLE001 - the next job is done all the same
            logger.error("job %s (%s) failed: %s", job.id, job.kind, reason(error))
            job.error = "internal error; Orthanc's log has more"
        self._end(job, "cancelled" if job.is_cancelled else "failed" if job.error else "done")

    def _end(self, job: Job, state: State) -> None:
        with self._changed:
            job.ended, job.state = self._clock.time(), state
            ended = [known.id for known in self._jobs.values() if known.has_ended]
            for job_id in ended[: max(0, len(ended) - self._most_ended)]:
                del self._jobs[job_id]
        self._events.note("job", job.level, job.subject, f"{job.kind} {job.id}: {job.error or state}")
