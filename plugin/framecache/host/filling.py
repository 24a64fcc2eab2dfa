"""The area that works without being asked: filling, looking after the store, cleaning up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from framecache.archive.entry import Entry
from framecache.archive.studies import Studies
from framecache.cache.spare_room import SpareRoom
from framecache.events import Events
from framecache.filling.audit import Audit
from framecache.filling.backfill import Backfill
from framecache.filling.backfill_progress import Plan
from framecache.filling.backlog import Backlog
from framecache.filling.caretaker import Caretaker
from framecache.filling.carry_over import CarryOver
from framecache.filling.extraction import Extractor
from framecache.filling.filler import Filler
from framecache.filling.intake import Intake
from framecache.filling.janitor import Janitor
from framecache.filling.keeper import Keeper
from framecache.filling.line import Work
from framecache.filling.pace import Pace
from framecache.filling.relatives import Relatives
from framecache.filling.sieve import Sieve
from framecache.filling.states import FillState
from framecache.host.codecs import Codecs
from framecache.host.context import Context
from framecache.host.keeping import Keeping
from framecache.host.tracing import Tracing
from framecache.hours import parse_hours
from framecache.settings import MEGABYTE, Settings

_PATIENCE_AT_THE_END = 2.0  # seconds


class Filling:
    """The threads of the plugin that work for themselves."""

    def __init__(self, context: Context, keeping: Keeping, codecs: Codecs) -> None:
        settings, metrics, log, api = context.settings, context.metrics, context.log, context.api
        catalogue, store = keeping.catalogue, keeping.store
        policy, self._backlog = context.policy, Backlog()
        self.pace = Pace(store, context.clock)
        extractor, background = (
            Extractor(keeping.sources, room, keeping.pool, codecs.background, policy, self.pace)
            for room in (store, SpareRoom(store))
        )
        self.filler = Filler(
            catalogue,
            extractor,
            store,
            metrics,
            context.clock,
            log,
            policy,
            on_done=self._done,
            on_state=_noted(context.events, context.tracing),
            on_kept=self._backlog.kept,
            on_opened=self._opened,
            background=background,
        )
        sieve, studies = Sieve(api, log, policy), Studies(api)
        self._relatives = Relatives(
            studies,
            sieve,
            self.filler,
            context.clock,
            log,
            opens=settings.warm_study,
            priors=settings.priors,
            same_modality=settings.priors_same_modality,
        )
        self._carry_over = CarryOver(self.filler, self._relatives, store, log)
        self.backfill = Backfill(studies, sieve, self.filler, store, context.clock, log, _plan(settings))
        arrived = self._relatives.study_arrived
        self.intake = Intake(api, self.filler, self._backlog, store, metrics, log, sieve, arrived)
        self.janitor = Janitor(catalogue, store, self.filler, log)
        self.keeper = Keeper(catalogue, store, log, policy)
        self._audit = Audit(api, store, self.janitor.deleted, log)
        self._caretaker = Caretaker(store, keeping.pool, log)
        self._settings, self._workers = settings, list[threading.Thread]()
        self._tracing = context.tracing

    def start(self) -> None:
        """Orthanc answers from now on."""
        self.intake.start()
        self._workers += [self.janitor.start(), self._caretaker.start(self._start_writing)]

    def _start_writing(self) -> None:
        """Behind the check of the folder: a block's file is there before its row is."""
        self._workers += self.filler.start(self._settings.workers)
        self.keeper.start()
        self._audit.start()
        self._carry_over.start()
        self._relatives.start()
        self.backfill.start()

    def arrived(self, orthanc_id: str) -> None:
        """An instance was stored. Returns at once: Orthanc's events wait for each other."""
        self.intake.arrived()
        if self._tracing is not None:
            self._tracing.stored(orthanc_id)

    def stop(self) -> None:
        """Ends within the time of one block; returns at once, but for the note on what waits."""
        self._carry_over.stop()
        guesses = (self.backfill, self._relatives)
        for worker in (*guesses, self.intake, self.filler, self.janitor, self.keeper, self._audit, self._caretaker):
            worker.stop()

    def _done(self, orthanc_id: str) -> None:
        self._backlog.done(orthanc_id)
        self.backfill.done(orthanc_id)
        if self._tracing is not None:
            self._tracing.finished(orthanc_id)

    def _opened(self, entry: Entry) -> None:
        self._relatives.opened(entry)

    def join(self) -> None:
        """Wait a little for those who write."""
        deadline = time.monotonic() + _PATIENCE_AT_THE_END
        for worker in self._workers:
            worker.join(max(0.0, deadline - time.monotonic()))


def _plan(settings: Settings) -> Plan:
    return Plan(
        starts=settings.backfill,
        hours=parse_hours(settings.backfill_hours),
        rate=settings.backfill_mb_per_second * MEGABYTE,
        newest_days=settings.backfill_newest_days,
        share=settings.backfill_fill_percent / 100,
    )


def _noted(events: Events, tracing: Tracing | None) -> Callable[[str, FillState, Work], None]:
    """What became of a fill, as an event and for its trace."""

    def note(orthanc_id: str, state: FillState, work: Work) -> None:
        if tracing is not None:
            tracing.extracted(work, state)
        if state.state == "cached":
            events.note("cached", "instances", orthanc_id, state.error or "")
        elif state.state == "failed":
            events.note("failed", "instances", orthanc_id, state.error or "")

    return note
