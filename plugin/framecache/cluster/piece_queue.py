"""The queue of pieces: procrastinate's tasks, of which each kind of work has three: `plan`, `piece` and `settle`.

Each kind has queues of its own, so that a node of an older version leaves alone what it does not know. In its own
queues it leaves tasks and arguments that it does not know to others. What is written here is read by other versions:
see `tests/unit/cluster/test_versions.py`.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Set
from typing import Any

from procrastinate import App, BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.jobs import Job
from procrastinate.types import JSONDict, JSONValue

from framecache.cluster.database import Database
from framecache.cluster.piece import Foreign, Kind, NotHere, Piece, Unfit
from framecache.cluster.reach import Reach
from framecache.cluster.shared_jobs import SharedJob, SharedJobs
from framecache.errors import Stopping, reason

logger = logging.getLogger(__name__)

_PLAN, _PIECE, _SETTLE = "framecache.plan", "framecache.piece", "framecache.settle"
_FOREIGN = "framecache.foreign"
_MOST_ATTEMPTS = 5
# A piece with which so many nodes died ends whoever takes it: there is too little memory, or a library has a fault.
_MOST_DEATHS, _DEADLY = 3, "each process that had it at work has died"
_RETRY_SECONDS = 10
_ARGUMENTS = {"kind", "run", "piece"}
# Planning waits while so many pieces wait: the rest of the archive waits in Orthanc's database.
_MOST_WAITING = 2000
_WAIT_SECONDS = 2
_SETTLE_SECONDS = 10
_PLAN_PRIORITY = 10


class PieceRetries(BaseRetryStrategy):
    """A piece that failed is tried again later."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """None if it has failed for good."""
        if isinstance(exception, Unfit):
            return None
        return RetryDecision(retry_in={"seconds": 3**job.attempts}) if job.attempts < _MOST_ATTEMPTS - 1 else None


class PieceQueue:
    """What this node does with pieces and plans, and how it queues them."""

    def __init__(
        self,
        database: Database,
        kinds: Mapping[str, Kind],
        node: str,
        *,
        reach: Reach | None = None,
        most_waiting: int = _MOST_WAITING,
        wait_seconds: int = _WAIT_SECONDS,
        settle_seconds: int = _SETTLE_SECONDS,
        retry_seconds: int = _RETRY_SECONDS,
        most_deaths: int = _MOST_DEATHS,
    ) -> None:
        """`node` is the name that this node signs with; `reach` is of what its pieces need."""
        self._database, self._kinds, self._node = database, kinds, node
        self._reach = reach or Reach({}, time)
        self._most_waiting, self._wait_seconds, self._settle_seconds = most_waiting, wait_seconds, settle_seconds
        self._retry_seconds, self._most_deaths, self.jobs = retry_seconds, most_deaths, SharedJobs(database)
        self._app = self._with_tasks(database.deferring_app())

    @property
    def kinds(self) -> list[str]:
        """The kinds of work that this node knows."""
        return list(self._kinds)

    @property
    def queues(self) -> list[str]:
        """The names of the queues that this node works on."""
        return [f"{kind}/{task}" for kind in self._kinds for task in ("plan", "piece", "settle")]

    def working_app(self, concurrency: int) -> App:
        """For an event loop, which opens it."""
        return self._with_tasks(self._database.working_app(concurrency))

    def begin(self, kind: str, *, resume: bool) -> None:
        """Begin a kind of work where nobody has. To `resume` ends a pause, or begins once more.

        Raises DatabaseError.
        """
        with self._database.transaction() as connection:
            self.jobs.begin(connection, kind, resume=resume)
            if resume:
                connection.execute(
                    "UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE status = 'todo' AND queue_name = %s",
                    [f"{kind}/piece"],
                )
        self.see_that_it_is_planned(kind)

    def begin_anew(self, kind: str) -> None:
        """Begin it where nobody has, and once more if it is done. A pause goes on. Raises DatabaseError."""
        job = self.jobs.find(kind)
        if job is None or job.state == "done":
            self.begin(kind, resume=True)

    def resume(self, kind: str) -> None:
        """End a pause; what has ended begins no more. Raises DatabaseError."""
        job = self.jobs.find(kind)
        if job is not None and job.state == "paused":
            self.begin(kind, resume=True)

    def pause(self, kind: str) -> None:
        """Nobody takes a piece any more; those at work come to their end. Raises DatabaseError."""
        with self._database.transaction() as connection:
            self.jobs.pause(connection, kind)
            connection.execute(
                "UPDATE procrastinate_jobs SET scheduled_at = now() + interval '100 years'"
                " WHERE status = 'todo' AND queue_name = %s",
                [f"{kind}/piece"],
            )

    def cancel(self, kind: str) -> None:
        """Nobody takes a piece any more, and what was not done is forgotten; those at work come to their end.

        Who begins it again begins anew. Raises DatabaseError.
        """
        with self._database.transaction() as connection:
            self.jobs.cancel(connection, kind)
            connection.execute(
                "DELETE FROM procrastinate_jobs WHERE status = 'todo' AND queue_name = ANY(%s)",
                [[f"{kind}/plan", f"{kind}/piece"]],
            )

    def took_over(self, job: Job) -> None:
        """Another node died that had this at work. A piece with which several did is given up. Raises DatabaseError."""
        if job.task_name != _PIECE or job.task_kwargs.keys() != _ARGUMENTS:
            return
        arguments: dict[str, Any] = dict(job.task_kwargs)
        kind, run = arguments["kind"], arguments["run"]
        with contextlib.suppress(Foreign):
            piece = Piece.from_json(arguments["piece"])
            if self.jobs.lose(kind, run, piece) >= self._most_deaths:
                logger.warning("%s of instance %s has failed: %s", kind, piece.orthanc_id, _DEADLY)
                self.jobs.finish(kind, run, piece, self._node, 0, _DEADLY)

    def see_that_it_is_planned(self, kind: str) -> None:
        """A run that is not planned to its end has one plan in the queue or at work. Raises DatabaseError."""
        job = self.jobs.find(kind)
        if job is not None and job.state == "running" and not job.is_planned:
            self._defer_plan(job)

    def _with_tasks(self, app: App) -> App:
        app.task(name=_PLAN, pass_context=True)(self._patiently(self._plan, {"kind", "run"}))
        app.task(name=_SETTLE, pass_context=True)(self._patiently(self._settle, {"kind", "subject"}))
        app.task(name=_PIECE, retry=PieceRetries(), pass_context=True)(self._where_it_can(self._do, _ARGUMENTS))
        foreign = app.task(name=_FOREIGN, pass_context=True)(self._patiently(_nothing, {_FOREIGN}))
        app.tasks = _Tasks(app.tasks, foreign)
        return app

    def _defer_plan(self, job: SharedJob, seconds: int = 0) -> None:
        self._defer(_PLAN, f"{job.kind}/plan", "", seconds, kind=job.kind, run=job.run)

    def _defer(self, task: str, queue: str, about: str, seconds: int, **arguments: JSONValue) -> None:
        """Unless one waits. Two never work at once: they have the same lock."""
        name = f"{queue}/{about}"
        options: dict[str, Any] = {"schedule_in": {"seconds": seconds}} if seconds else {}
        deferrer = self._app.configure_task(
            task, queue=queue, lock=name, queueing_lock=name, priority=_PLAN_PRIORITY, **options
        )
        with contextlib.suppress(AlreadyEnqueued):
            deferrer.defer(**arguments)

    def _patiently(self, do: Callable[..., None], names: Set[str]) -> Callable[..., None]:
        """A task that is queued anew if it fails, since what is given up would leave the work unfinished.

        Procrastinate's own retry ends where the same already waits: then the failed one would be at work for ever.
        """
        strict = _strictly(do, names)

        def task(context: JobContext, **arguments: Any) -> None:
            try:
                strict(**arguments)
            except Exception as error:  # noqa: BLE001 - whatever it is, it may pass
                self._defer_again(context.job, error)

        return task

    def _where_it_can(self, do: Callable[..., None], names: Set[str]) -> Callable[..., None]:
        """A task that is queued anew, for any node, if this one stops or cannot do it now: it loses no attempt by that.

        Procrastinate's own retry counts one: a piece that had waited for room or for the end of a pause failed for good
        at its first error.
        """
        strict = _strictly(do, names)

        def task(context: JobContext, **arguments: Any) -> None:
            try:
                strict(context, **arguments)
            except (Stopping, NotHere) as error:
                self._defer_again(context.job, error)

        return task

    def _defer_again(self, job: Job, error: Exception) -> None:
        seconds = 0 if isinstance(error, Stopping) else self._retry_seconds
        logger.log(_level_of(error), "%s: %s", job.queue, reason(error))
        # One that a newer version understands is another than ours that may wait.
        queueing_lock = None if isinstance(error, Foreign) else job.queueing_lock
        deferrer = self._app.configure_task(
            job.task_name,
            allow_unknown=True,
            queue=job.queue,
            lock=job.lock,
            queueing_lock=queueing_lock,
            priority=job.priority,
            schedule_in={"seconds": seconds},
        )
        with contextlib.suppress(AlreadyEnqueued):
            deferrer.defer(**job.task_kwargs)

    def _plan(self, kind: str, run: int) -> None:
        """One step, then the next one. What a step plans counts as a whole, or not at all."""
        job = self.jobs.find(kind)
        if job is None or (job.run, job.state) != (run, "running") or job.is_planned:
            return
        if job.total is None:
            self.jobs.set_total(kind, self._kinds[kind].total())
        if job.unfinished >= self._most_waiting:
            self._defer_plan(job, self._wait_seconds)
            return
        plan = self._kinds[kind].plan(job.bookmark)
        with self._database.transaction() as connection:
            present = self.jobs.running(connection, kind, run)
            if present is None or present.bookmark != job.bookmark:
                return
            pieces = self.jobs.plan(connection, job, plan)
            task = self._app.configure_task(_PIECE, queue=f"{kind}/piece", connection=connection)
            if pieces:
                arguments: list[JSONDict] = [{"kind": kind, "run": run, "piece": one.to_json()} for one in pieces]
                task.batch_defer(*arguments)
        if plan is not None:
            self._defer_plan(job)

    def _do(self, context: JobContext, kind: str, run: int, piece: dict[str, Any]) -> None:
        """One piece. It may have been done before by a node that died before it could say so."""
        one = Piece.from_json(piece)
        state = self.jobs.state_of(kind, run, one)
        if state == "paused":  # it was at work when the others were paused, and could not be done
            raise NotHere("the work is paused")
        if state == "done":
            return
        try:
            size = self._kinds[kind].do(one)
        except (Stopping, NotHere):
            raise
        except Exception as error:
            if not isinstance(error, Unfit):
                self._reach.check()
            if context.job.attempts >= _MOST_ATTEMPTS - 1 or isinstance(error, Unfit):
                logger.warning("%s of instance %s has failed: %s", kind, one.orthanc_id, reason(error))
                self.jobs.finish(kind, run, one, self._node, 0, reason(error))
            raise
        self._reach.done()
        if one.subject and size:
            self._defer(_SETTLE, f"{kind}/settle", one.subject, self._settle_seconds, kind=kind, subject=one.subject)
        self.jobs.finish(kind, run, one, self._node, size)

    def _settle(self, kind: str, subject: str) -> None:
        self._kinds[kind].settle(subject)


class _Tasks(dict[str, Any]):
    """Tasks by their names. Those that this version does not know, procrastinate would drop: others may know them."""

    def __init__(self, tasks: Mapping[str, Any], foreign: Any) -> None:
        super().__init__(tasks)
        self._foreign = foreign

    def get(self, name: str, default: Any = None) -> Any:
        """Never `default`."""
        del default
        return super().get(name, self._foreign)


def _strictly(do: Callable[..., None], names: Set[str]) -> Callable[..., None]:
    """A task that raises Foreign for other arguments than these: a newer version may mean something else by them."""

    def task(*context: JobContext, **arguments: Any) -> None:
        if arguments.keys() != names:
            raise Foreign(f"the arguments of a task are {', '.join(sorted(arguments))}")
        do(*context, **arguments)

    return task


def _level_of(error: Exception) -> int:
    return logging.INFO if isinstance(error, Stopping | NotHere) else logging.WARNING


def _nothing() -> None:
    """No task."""
