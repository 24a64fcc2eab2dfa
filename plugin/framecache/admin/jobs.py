"""Long work in the background of a request: clients can follow it and cancel it."""

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


@dataclass(frozen=True, slots=True)
class Control:
    """How a job is paused and resumed, on all machines that share it; both raise Overloaded."""

    pause: Callable[[], None]
    resume: Callable[[], None]


@dataclass(eq=False)
class Job:
    """One job, shared by its worker and its clients. Times are seconds since the epoch.

    `total` is None while it is unknown. `result` may grow while the job runs. Most jobs have no `control`.
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
    control: Control | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    _cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def has_ended(self) -> bool:
        """Whether it is done, failed or cancelled: nothing changes any more."""
        return self.state in _ENDED

    @property
    def is_cancelled(self) -> bool:
        """Whether its worker must end as soon as possible."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Ask it to end."""
        self._cancelled.set()

    def pause(self, seconds: float) -> None:
        """Wait, at most until the job is cancelled."""
        self._cancelled.wait(seconds)

    def advance(self, count: int = 1, size: int = 0) -> None:
        """Add instances or frames done, and their bytes. Only the worker's thread may call it."""
        self.done += count
        self.size += size

    def to_json(self) -> dict[str, Any]:
        """The JSON of the routes."""
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
            "CanPause": self.control is not None,
        }


# The work of a job, on the thread of its kind. Raises FrameCacheError.
Work = Callable[[Job], None]


class Jobs:
    """All jobs since the start. Jobs of one kind run one after the other, first come first served."""

    def __init__(
        self, clock: Clock, events: Events, *, most_unfinished: int = _MOST_UNFINISHED, most_ended: int = _MOST_ENDED
    ) -> None:
        """Accept at most `most_unfinished` jobs at once; remember the last `most_ended` that ended."""
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
        control: Control | None = None,
    ) -> Job:
        """Queue `work`. Raises Overloaded if too many jobs are unfinished, or when stopping."""
        job = Job(kind, level, subject, unit, self._clock.time(), total, control=control)
        with self._changed:
            if sum(not known.has_ended for known in self._jobs.values()) >= self._most_unfinished or self._is_stopping:
                raise Overloaded(f"{self._most_unfinished} jobs are unfinished already; try again later")
            self._jobs[job.id] = job
            if kind not in self._waiting:
                self._waiting[kind] = deque()
                start_thread(f"frame-cache-{kind}", lambda: self._serve(self._waiting[kind]))
            self._waiting[kind].append((job, work))
            self._changed.notify_all()
        return job

    def all(self) -> list[Job]:
        """All jobs, newest first."""
        with self._changed:
            return list(reversed(self._jobs.values()))

    def find(self, job_id: str) -> Job:
        """The job of this ID. Raises NotFound."""
        with self._changed:
            job = self._jobs.get(job_id)
        if job is None:
            raise NotFound("there is no such job; jobs that ended are forgotten after a while and on a restart")
        return job

    def cancel(self, job_id: str) -> Job:
        """Cancel a job; a queued one ends at once, a running one soon. Raises NotFound."""
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
        """Whether Orthanc is stopping, which cancels all jobs."""
        return self._is_stopping

    def stop(self) -> None:
        """Cancel all jobs without waiting for them."""
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
        except Exception as error:  # noqa: BLE001 - a failed job must not keep the next from running
            logger.error("job %s (%s) failed: %s", job.id, job.kind, reason(error))
            job.error = "internal error; see Orthanc's log"
        self._end(job, "cancelled" if job.is_cancelled else "failed" if job.error else "done")

    def _end(self, job: Job, state: State) -> None:
        with self._changed:
            job.ended, job.state = self._clock.time(), state
            ended = [known.id for known in self._jobs.values() if known.has_ended]
            for job_id in ended[: max(0, len(ended) - self._most_ended)]:
                del self._jobs[job_id]
        self._events.note("job", job.level, job.subject, f"{job.kind} {job.id}: {job.error or state}")
