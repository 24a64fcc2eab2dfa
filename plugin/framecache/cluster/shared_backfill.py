"""The backfill that several nodes share, as the routes of each see it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from framecache.cluster.database import Database
from framecache.cluster.node_backfill import NodeBackfill
from framecache.cluster.piece_queue import PieceQueue
from framecache.cluster.shared_jobs import SharedJob
from framecache.cluster.shared_work import SharedWork
from framecache.cluster.wish import Wish
from framecache.errors import Overloaded, reason
from framecache.orthanc.studies import Studies
from framecache.ports import Clock
from framecache.prefetch.admission import Admission
from framecache.prefetch.backfill_plan import Allowance, BackfillState, Plan, Progress, SharedProgress
from framecache.prefetch.backfill_search import Search
from framecache.prefetch.cluster_figures import ClusterFigures, PieceCounts
from framecache.prefetch.scheduler import Scheduler
from framecache.store.store import Store
from framecache.worker import Worker

BACKFILL = "backfill"
_LOOK_SECONDS = 1.0
_PATIENCE = 5.0
_RETRY_SECONDS = 5.0
_MOST_WISHES, _NO_ANSWER = 20, "the shared database does not answer"


class SharedBackfill:
    """Reads every second how far all nodes are, on a thread of its own: Orthanc's HTTP threads use no database."""

    def __init__(
        self,
        dsn: str,
        node: str,
        studies: Studies,
        admission: Admission,
        scheduler: Scheduler,
        store: Store,
        clock: Clock,
        plan: Plan,
        *,
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        """`node` is the name that this node signs with. Raises DatabaseError if `dsn` is invalid."""
        search = Search(studies, admission, clock, time.sleep)
        self._allowance = Allowance(plan, store, clock)
        self._work = NodeBackfill(studies, search, scheduler, self._allowance, plan, clock)
        self._database = Database(dsn)
        self._queue = PieceQueue(self._database, {BACKFILL: self._work}, node)
        begins = [BACKFILL] if plan.starts else []
        self._shared = SharedWork(self._database, self._queue, begins=begins, may_take=self._work.may_take)
        self._job: SharedJob | None = None
        self._others: list[SharedJob] = []
        self._wishes = deque[Wish]()
        self._look_seconds, self.is_wanted = look_seconds, plan.starts
        self._clock, self._figures = clock, ClusterFigures()
        self._worker = Worker(
            "shared-backfill",
            self._turn,
            task="following the shared backfill",
            on_error=self._failed,
            retry_seconds=_RETRY_SECONDS,
        )
        self.done = self._work.done

    def start(self) -> None:
        """Start the threads."""
        self._shared.start()
        self._worker.start()

    def stop(self) -> None:
        """End them. What is at work here goes to another node."""
        self._work.stop()
        self._shared.stop()
        self._worker.stop()

    def go_on(self) -> None:
        """Start, or resume after a pause; once done, start again from the beginning. Raises Overloaded."""
        self._wish(lambda: self._queue.begin(BACKFILL, resume=True))

    def pause(self) -> None:
        """Pause it on all nodes until `go_on` is called on any. Raises Overloaded."""
        self._wish(lambda: self._queue.pause(BACKFILL))

    def cancel(self) -> None:
        """End it on all nodes. Raises Overloaded."""
        self._wish(lambda: self._queue.cancel(BACKFILL))

    def others(self) -> list[SharedProgress]:
        """What workers share: the export to an archive, its verification, its garbage collection."""
        return [_progress(job) for job in self._others]

    def figures(self) -> ClusterFigures:
        """Those of the last look."""
        return self._figures

    def pause_other(self, kind: str) -> None:
        """Pause it on all machines. Raises Overloaded."""
        self._wish(lambda: self._queue.pause(kind))

    def resume_other(self, kind: str) -> None:
        """End its pause. Raises Overloaded."""
        self._wish(lambda: self._queue.resume(kind))

    def cancel_other(self, kind: str) -> None:
        """End it on all machines. Raises Overloaded."""
        self._wish(lambda: self._queue.cancel(kind))

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody, on any node, has ended it before it was done."""
        return self._job is not None and self._job.is_cancelled

    @property
    def state(self) -> BackfillState:
        """That of all nodes; of this one, where it may not take part now."""
        job = self._job
        if job is None or job.is_cancelled:
            return "off"
        obstacle = self._allowance.obstacle(0) if job.state == "running" else None
        return obstacle[0] if obstacle else job.state

    @property
    def reason(self) -> str:
        """Why it is in that state."""
        if self._job is None:
            return 'the setting "Backfill" is false, and nobody has started it'
        if self._job.is_cancelled:
            return "cancelled by an administrator, on all nodes"
        if self._job.state == "paused":
            return "paused by an administrator, on all nodes"
        obstacle = self._allowance.obstacle(0) if self._job.state == "running" else None
        return f"on this node: {obstacle[1]}" if obstacle else ""

    @property
    def progress(self) -> Progress:
        """That of all nodes: instances without a piece count as checked, others when their piece has ended."""
        job = self._job
        if job is None:
            return Progress()
        looked_at = max(0, job.looked_at - job.unfinished)
        return Progress(job.bookmark, job.state == "paused", looked_at, job.done, job.size)

    @property
    def total(self) -> int | None:
        """The instances in the archive; None before they are counted."""
        return None if self._job is None else self._job.total

    @property
    def study_date(self) -> str:
        """The date of the study that was planned last."""
        return "" if self._job is None else self._job.study_date

    @property
    def seconds_left(self) -> float | None:
        """An estimate from the pace since the beginning; None while there is none."""
        done = self.progress.looked_at
        if self._job is None or self._job.total is None or not done:
            return None
        return max(0, self._job.total - done) * (datetime.now(UTC) - self._job.began).total_seconds() / done

    def _wish(self, act: Callable[[], None]) -> None:
        if len(self._wishes) >= _MOST_WISHES:
            raise Overloaded(_NO_ANSWER)
        wish = Wish(act)  # a turn that is at work already does not see it
        self._wishes.append(wish)
        self._worker.wake()
        if not wish.wait(_PATIENCE):
            self._forget(wish)
            raise Overloaded(_NO_ANSWER)

    def _turn(self) -> float:
        self._database.open()
        granted = self._granted()
        jobs = {job.kind: job for job in self._queue.jobs.all()}
        self._job = jobs.pop(BACKFILL, None)
        self._others = list(jobs.values())
        self._figures = ClusterFigures(self._queue.jobs.processes(), self._counted())
        for wish in granted:
            wish.see()
        return self._look_seconds

    def _granted(self) -> list[Wish]:
        granted = list(self._wishes)
        for wish in granted:
            wish.fulfil()
            self._forget(wish)  # not before it is fulfilled, or given up
        return granted

    def _forget(self, wish: Wish) -> None:
        with suppress(ValueError):  # whoever waited has given up, and has removed it
            self._wishes.remove(wish)

    def _counted(self) -> list[PieceCounts]:
        at_work, jobs = self._queue.jobs.at_work(), [*filter(None, [self._job]), *self._others]
        return [_counts(job, at_work) for job in jobs]

    def _failed(self, error: Exception) -> None:
        since = self._figures.since if self._figures.error else self._clock.time()
        self._figures = replace(self._figures, error=reason(error), since=since)


def _counts(job: SharedJob, at_work: Mapping[str, int]) -> PieceCounts:
    """A piece that has just ended may still be at work, and one that is done twice counts once."""
    unfinished = 0 if job.state == "done" else job.unfinished  # a cancelled run is done
    running = min(at_work.get(job.kind, 0), unfinished)
    return PieceCounts(job.kind, unfinished - running, running, job.done, job.failed)


def _progress(job: SharedJob) -> SharedProgress:
    looked_at = job.looked_at - job.unfinished
    is_paused, has_ended = job.state == "paused", job.state == "done"
    return SharedProgress(job.kind, is_paused, has_ended, job.is_cancelled, looked_at, job.total, job.size)
