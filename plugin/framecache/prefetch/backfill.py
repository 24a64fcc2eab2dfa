"""Caches what was in the archive before the plugin: newest studies first, while nothing else is to be done.

It takes only room that is free, so it pushes nothing out: neither what arrived or was viewed nor what it brought in
itself. How far it is survives a restart.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from framecache.errors import Stopping, reason
from framecache.orthanc.studies import Studies
from framecache.plurals import counted
from framecache.ports import Clock
from framecache.prefetch.admission import Admission
from framecache.prefetch.backfill_plan import Allowance, BackfillState, Pace, Plan, Progress, SharedProgress
from framecache.prefetch.backfill_search import Found, Search
from framecache.prefetch.cluster_figures import ClusterFigures
from framecache.prefetch.scheduler import Scheduler
from framecache.prefetch.task import Priority
from framecache.store.store import Store
from framecache.worker import Worker

logger = logging.getLogger(__name__)

_NOTE = "backfill"
# How often the progress is saved; after a crash so much is checked once more.
_NOTE_SECONDS = 2.0
_PAUSED = "paused by an administrator"
_RUNNING: tuple[BackfillState, str] = "running", ""


class Backfill:
    """One thread that submits one instance at a time to the scheduler."""

    def __init__(
        self,
        studies: Studies,
        admission: Admission,
        scheduler: Scheduler,
        store: Store,
        clock: Clock,
        plan: Plan,
        *,
        look_seconds: float = 10.0,
        patience: float = 2.0,
    ) -> None:
        """It checks the hours and the free room every `look_seconds`.

        `go_on` and `pause` wait up to `patience` seconds until they are saved.
        """
        self._look_seconds, self._patience = look_seconds, patience
        self._studies, self._scheduler, self._store = studies, scheduler, store
        self._search = Search(studies, admission, clock, self._give_way)
        self._clock, self._plan = clock, plan
        self.progress, self.reason = Progress(), ""
        self.state: BackfillState = "off"
        self.total: int | None = None
        self.is_wanted, self._study_date = plan.starts, ""
        self._changed, self._is_stopping = threading.Condition(), False
        self._worker = Worker(
            "backfill", self._run, task="the backfill", begin=self._read_progress, on_error=self._interrupted
        )
        self.start = self._worker.start
        self._fed = ""
        self._allowance, self._pace = Allowance(plan, store, clock), Pace(clock)
        self._noted_at, self._is_noted = 0.0, True

    def stop(self) -> None:
        """End; an instance at work ends with the scheduler."""
        self._worker.stop()
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()

    def go_on(self) -> None:
        """Start, or resume after a pause; once done, start again from the beginning."""
        with self._changed:
            if self.state == "done":
                self.progress = Progress()
            self.is_wanted, self.progress.is_paused = True, False
            self._change("running", "")

    def pause(self) -> None:
        """Pause until `go_on` is called, also over a restart."""
        with self._changed:
            self.progress.is_paused = True
            self._change("paused", _PAUSED)

    def cancel(self) -> None:
        """The same: where it was is worth keeping."""
        self.pause()

    @property
    def is_cancelled(self) -> bool:
        """Never."""
        return False

    def others(self) -> Sequence[SharedProgress]:
        """None: this node works alone."""
        return ()

    def pause_other(self, kind: str) -> None:
        """There is none."""

    def figures(self) -> ClusterFigures:
        """None: this node works alone."""
        return ClusterFigures()

    def resume_other(self, kind: str) -> None:
        """There is none."""

    def cancel_other(self, kind: str) -> None:
        """There is none."""

    def _change(self, state: BackfillState, reason: str) -> None:
        """Wait a little until this is saved, so that whoever is answered can rely on it."""
        self.state, self.reason, self._is_noted = state, reason, False
        self._changed.notify_all()
        self._changed.wait_for(lambda: self._is_noted or self._is_stopping, self._patience)

    def done(self, orthanc_id: str) -> None:
        """The scheduler has nothing left to do for this instance."""
        with self._changed:
            if orthanc_id == self._fed:
                self._fed = ""
                self._changed.notify_all()

    @property
    def study_date(self) -> str:
        """The date of the study that is being cached; "" before the first, and for studies without a date."""
        return self._study_date

    @property
    def seconds_left(self) -> float | None:
        """An estimate from the pace of this run; None while there is none."""
        return None if self.total is None else self._pace.seconds_for(max(0, self.total - self.progress.looked_at))

    def _read_progress(self) -> None:
        noted = Progress.from_text(self._store.notes.get(_NOTE))
        with self._changed:
            if not self._is_noted:  # paused or resumed before the worker began
                noted.is_paused = self.progress.is_paused
            self.progress = noted

    def _interrupted(self, error: Exception) -> None:
        """The next turn resumes where this one ended."""
        self._tell("waiting", reason(error))
        with contextlib.suppress(Stopping):
            self._pause(self._look_seconds)

    def _run(self) -> float:
        """Go once through the archive, and return when the backfill is started again."""
        self._wait_for_leave(0)
        today = self._today()
        oldest = today - timedelta(days=self._plan.newest_days) if self._plan.newest_days else None
        self.total = self._studies.number_of_instances(oldest)
        self._pace.begin()
        for found in self._search.through(self.progress.bookmark, today, oldest):
            self._take_in(found)
        self.total = self.progress.looked_at
        self._tell("done", "")
        self._note()
        progress = self.progress
        looked_at = counted(progress.looked_at, "instance")
        logger.info("the backfill is complete: cached %d of %s", progress.cached, looked_at)
        with self._changed:
            self._changed.wait_for(lambda: self.state != "done" or self._is_stopping)
        return 0.0

    def _take_in(self, found: Found) -> None:
        self._study_date = found.study.study_date
        self._wait_for_leave(0)
        for instance in found.wanted:
            if self._allowance.may_ever_fit(instance.file_size):
                self._feed(instance.orthanc_id, instance.file_size)
        self.progress.bookmark = found.study.bookmark
        self.progress.looked_at += found.number
        self._pace.advance(found.number)
        if self._clock.monotonic() - self._noted_at >= _NOTE_SECONDS:
            self._note()

    def _give_way(self, seconds: float) -> None:
        self._pause(seconds)
        self._wait_for_leave(0)

    def _feed(self, orthanc_id: str, size: int) -> None:
        """Have one instance cached; where its room was taken meanwhile, try again when there is some."""
        is_left = True
        while is_left:
            self._wait_for_leave(size)
            begun = self._clock.monotonic()
            self._have_it_cached(orthanc_id)
            self._allowance.spend(size, begun)
            state = self._scheduler.state(orthanc_id)
            is_cached = state is not None and state.state == "cached"
            is_left = state is not None and state.state == "skipped" and not self._allowance.has_room(size)
        self.progress.cached += is_cached
        self.progress.size += size * is_cached

    def _have_it_cached(self, orthanc_id: str) -> None:
        with self._changed:
            self._fed = orthanc_id
        while not self._scheduler.submit(orthanc_id, Priority.BACKFILL):
            self._pause(self._look_seconds)
        while self._fed:
            with self._changed:
                self._changed.wait_for(lambda: not (self._fed and self._is_noted) or self._is_stopping)
            self._raise_if_stopping()
            self._note_if_asked()

    def _wait_for_leave(self, size: int) -> None:
        """Wait until an instance of `size` bytes may be cached, within the hours, the room and the rate."""
        while (obstacle := self._obstacle(size)) or self._allowance.seconds_left > 0:
            self._note_if_asked()
            self._tell(*(obstacle or _RUNNING))
            began = self._clock.monotonic()
            self._pause(self._look_seconds if obstacle else self._allowance.seconds_left)
            if obstacle:
                self._pace.rest(self._clock.monotonic() - began)
        self._note_if_asked()
        self._tell(*_RUNNING)

    def _obstacle(self, size: int) -> tuple[BackfillState, str] | None:
        if self.progress.is_paused:
            return "paused", _PAUSED
        if not self.is_wanted:
            return "off", 'the setting "Backfill" is false, and nobody has started it'
        return self._allowance.obstacle(size)

    def _tell(self, state: BackfillState, reason: str) -> None:
        with self._changed:
            self.state, self.reason = state, reason

    def _pause(self, seconds: float) -> None:
        """Wait so long, or until something has changed."""
        with self._changed:
            if seconds > 0 and not self._is_stopping:
                self._changed.wait(seconds)
        self._raise_if_stopping()

    def _raise_if_stopping(self) -> None:
        if self._is_stopping:
            raise Stopping

    def _note_if_asked(self) -> None:
        if not self._is_noted:
            self._note()

    def _note(self) -> None:
        self._noted_at = self._clock.monotonic()
        with self._changed:
            text, was_asked = self.progress.to_text(), not self._is_noted
        self._store.notes[_NOTE] = text
        if was_asked:
            with self._changed:
                self._is_noted = text == self.progress.to_text()
                self._changed.notify_all()

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock.time()).date()
