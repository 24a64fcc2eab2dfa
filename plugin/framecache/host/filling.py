"""The area that works without being asked: filling, looking after the store, cleaning up."""

from __future__ import annotations

import time
from collections.abc import Callable

from framecache.config.reading import parse_hours
from framecache.config.settings import MEGABYTE, Settings
from framecache.host.codecs import Codecs
from framecache.host.context import Context
from framecache.host.keeping import Keeping
from framecache.host.tracing import Tracing
from framecache.instances.entry import Entry
from framecache.maintenance.housekeeping import Housekeeping
from framecache.maintenance.invalidation import Invalidation
from framecache.maintenance.reconciliation import Reconciliation
from framecache.orthanc.studies import Studies
from framecache.plurals import counted
from framecache.prefetch.admission import Admission
from framecache.prefetch.backfill import Backfill
from framecache.prefetch.backfill_progress import Plan
from framecache.prefetch.change_feed import ChangeFeed
from framecache.prefetch.checkpoint import Checkpoint
from framecache.prefetch.extraction import Extractor
from framecache.prefetch.extraction_cost import ExtractionCost
from framecache.prefetch.extraction_states import ExtractionState
from framecache.prefetch.queue_state import QueueState
from framecache.prefetch.related import RelatedStudies
from framecache.prefetch.scheduler import Scheduler
from framecache.prefetch.work_queue import Task
from framecache.prefetch.write_behind import WriteBehind
from framecache.telemetry.events import Events
from framecache.worker import Worker

_PATIENCE_AT_THE_END = 2.0  # seconds


class Filling:
    """The threads of the plugin that work for themselves."""

    def __init__(self, context: Context, keeping: Keeping, codecs: Codecs) -> None:
        settings, metrics, api = context.settings, context.metrics, context.api
        catalogue, store = keeping.catalogue, keeping.store
        policy, self._checkpoint = context.policy, Checkpoint()
        self.extraction_cost = ExtractionCost(store.notes, context.clock)
        extractor, background = (
            Extractor(
                keeping.sources, store, keeping.pool, codecs.background, self.extraction_cost, may_evict=may_evict
            )
            for may_evict in (True, False)
        )
        self.scheduler = Scheduler(
            catalogue,
            extractor,
            store,
            metrics,
            context.clock,
            on_done=self._done,
            on_state=_noted(context.events, context.tracing),
            on_kept=self._checkpoint.kept,
            on_opened=self._opened,
            background=background,
        )
        admission, studies = Admission(api, policy), Studies(api)
        self._related = RelatedStudies(
            studies,
            admission,
            self.scheduler,
            context.clock,
            opens=settings.warm_study,
            priors=settings.priors,
            same_modality=settings.priors_same_modality,
        )
        self._queue_state = QueueState(self.scheduler, self._related, store.notes)
        self.backfill = Backfill(studies, admission, self.scheduler, store, context.clock, _plan(settings))
        arrived = self._related.study_arrived
        self.change_feed = ChangeFeed(api, self.scheduler, self._checkpoint, store.notes, metrics, admission, arrived)
        self.invalidation = Invalidation(catalogue, store.records, self.scheduler)
        self.write_behind = WriteBehind(catalogue, store)
        self._reconciliation = Reconciliation(api, store.versions, self.invalidation.deleted, catalogue.has_file)
        self._housekeeping = Housekeeping(store, keeping.pool, self._start_writing)
        self._settings, self._workers = settings, list[Worker]()
        self._tracing = context.tracing

    def start(self) -> None:
        """Orthanc answers from now on."""
        self.change_feed.start()
        self.invalidation.start()
        self._housekeeping.start()

    def _start_writing(self) -> None:
        """Behind the check of the folder: a block's file is there before its row is."""
        self._workers += self.scheduler.start(self._settings.workers)
        self.write_behind.start()
        self._reconciliation.start()
        self._queue_state.start()
        self._related.start()
        self.backfill.start()

    def arrived(self, orthanc_id: str) -> None:
        """An instance was stored. Returns at once: Orthanc's events wait for each other."""
        self.change_feed.arrived(orthanc_id)
        if self._tracing is not None:
            self._tracing.stored(orthanc_id)

    def stop(self) -> None:
        """Ends within the time of one block; returns at once, but for the note on what waits."""
        self._queue_state.stop()
        guesses = (self.backfill, self._related)
        for worker in (
            *guesses,
            self.change_feed,
            self.scheduler,
            self.invalidation,
            self.write_behind,
            self._reconciliation,
            self._housekeeping,
        ):
            worker.stop()

    def _done(self, orthanc_id: str) -> None:
        self._checkpoint.done(orthanc_id)
        self.backfill.done(orthanc_id)
        if self._tracing is not None:
            self._tracing.finished(orthanc_id)

    def _opened(self, entry: Entry) -> None:
        self._related.opened(entry)

    def join(self) -> None:
        """Wait a little for those who write."""
        deadline = time.monotonic() + _PATIENCE_AT_THE_END
        joins = [self.invalidation.join, self._housekeeping.join, *(worker.join for worker in self._workers)]
        for join in joins:
            join(max(0.0, deadline - time.monotonic()))


def _plan(settings: Settings) -> Plan:
    return Plan(
        starts=settings.backfill,
        hours=parse_hours(settings.backfill_hours),
        rate=settings.backfill_mb_per_second * MEGABYTE,
        newest_days=settings.backfill_newest_days,
        share=settings.backfill_fill_percent / 100,
    )


def _noted(events: Events, tracing: Tracing | None) -> Callable[[str, ExtractionState, Task], None]:
    """What became of a fill, as an event and for its trace."""

    def note(orthanc_id: str, state: ExtractionState, work: Task) -> None:
        if tracing is not None:
            tracing.extracted(work, state)
        if state.state == "cached" and state.frames:  # else all of it was cached before
            text = counted(state.frames, "frame")
            events.note("cached", "instances", orthanc_id, f"{text}; {state.error}" if state.error else text)
        elif state.state == "failed":
            events.note("failed", "instances", orthanc_id, state.error or "")

    return note
