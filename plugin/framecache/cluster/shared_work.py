"""Takes pieces from the shared queue, and takes over those of nodes that died."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence

from procrastinate import App
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Job, Status

from framecache.cluster.database import Database, DatabaseError
from framecache.cluster.piece_queue import PieceQueue
from framecache.worker import Worker

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 5.0
# A node that was not heard of for so long is taken for dead. Its pieces are taken over a little later.
_HEARTBEAT_SECONDS, _SILENCE_SECONDS = 5.0, 20.0
_WATCH_SECONDS = 0.5
_LOOK_SECONDS = 5.0
# A notification that comes while the queue is looked at is lost now and then; a node sees a new piece within a second.
_POLL_SECONDS = 0.75


class SharedWork:
    """One thread with an event loop; each piece at work has a thread of its own."""

    def __init__(
        self,
        database: Database,
        queue: PieceQueue,
        *,
        begins: Sequence[str] = (),
        may_take: Callable[[], bool] = lambda: True,
        concurrency: int = 1,
        silence_seconds: float = _SILENCE_SECONDS,
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        """`begins` are the kinds of work to begin where nobody has.

        `may_take` says whether this node takes pieces now; those at work come to their end.
        """
        self._database, self._queue, self._begins = database, queue, begins
        self._concurrency, self._silence_seconds, self._look_seconds = concurrency, silence_seconds, look_seconds
        self._may_take = may_take
        self._worker = Worker("shared-work", self._turn, task="shared work", retry_seconds=_RETRY_SECONDS)
        self.start, self.stop, self.join = self._worker.start, self._worker.stop, self._worker.join

    def _turn(self) -> float:
        """Until the worker stops, or may not go on. Raises DatabaseError."""
        if not self._may_take():
            return _WATCH_SECONDS
        self._database.open()
        for kind in self._begins:
            self._queue.begin(kind, resume=False)
        asyncio.run(self._serve())
        return _WATCH_SECONDS

    async def _serve(self) -> None:
        app = self._queue.working_app(self._concurrency)
        async with app.open_async():
            working = asyncio.create_task(
                app.run_worker_async(
                    queues=self._queue.queues,
                    concurrency=self._concurrency,
                    install_signal_handlers=False,
                    delete_jobs="always",
                    fetch_job_polling_interval=_POLL_SECONDS,
                    update_heartbeat_interval=min(_HEARTBEAT_SECONDS, self._silence_seconds / 4),
                    stalled_worker_timeout=self._silence_seconds,
                )
            )
            watching = asyncio.create_task(self._watch(app, working))
            with contextlib.suppress(asyncio.CancelledError):
                await working
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def _watch(self, app: App, working: asyncio.Task[None]) -> None:
        """Until it must end, or may take nothing, or the database is away; meanwhile look for what the dead left.

        Behind an outage, connections that are made anew are there sooner: those that are lost are tried again after
        longer and longer times. And a piece of which nobody could say that it is done is seen as that of a dead worker.
        """
        looked = 0.0
        while self._may_take() and not self._worker.is_stopping:
            if time.monotonic() - looked >= self._look_seconds:
                if not await self._take_over(app):
                    break
                looked = time.monotonic()
            await asyncio.sleep(_WATCH_SECONDS)
        working.cancel()

    async def _take_over(self, app: App) -> bool:
        """Queue again what dead nodes had at work, and plans that were lost; False if the database does not answer."""
        try:
            for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=self._silence_seconds):
                logger.warning("a node does not answer: another one takes over its work %s", job.id)
                await self._take_over_one(app, job)
            for kind in self._queue.kinds:
                await asyncio.to_thread(self._queue.see_that_it_is_planned, kind)
        except (ConnectorException, DatabaseError) as error:
            logger.warning("looking for the work of dead nodes failed: %s", error)
            return False
        return True

    async def _take_over_one(self, app: App, job: Job) -> None:
        try:
            await app.job_manager.retry_job(job)
        except UniqueViolation:  # the same waits already, behind this one
            await app.job_manager.finish_job(job, Status.FAILED, delete_job=True)
        except ConnectorException:  # another node was faster
            return
        await asyncio.to_thread(self._queue.took_over, job)
