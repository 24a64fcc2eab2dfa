"""The area that works without being asked: filling, looking after the store, cleaning up."""

from __future__ import annotations

import time

from framecache.codecs.codec_pools import CodecPools
from framecache.config.reading import parse_hours
from framecache.config.settings import MEGABYTE, Settings
from framecache.dispatcher import Dispatcher
from framecache.host.context import Context
from framecache.host.keeping import Keeping
from framecache.maintenance.housekeeping import Housekeeping
from framecache.maintenance.invalidation import Invalidation
from framecache.maintenance.reconciliation import Reconciliation, StaleInstanceFound
from framecache.orthanc.events import InstanceDeleted, InstanceStored
from framecache.orthanc.studies import Studies
from framecache.plurals import counted
from framecache.prefetch.admission import Admission
from framecache.prefetch.backfill import Backfill
from framecache.prefetch.backfill_progress import Plan
from framecache.prefetch.change_feed import ChangeFeed
from framecache.prefetch.checkpoint import Checkpoint
from framecache.prefetch.events import (
    CheckpointHasRoom,
    ExtractionStateChanged,
    InstanceDone,
    InstanceOpened,
    StoredFormCached,
    StudyArrived,
)
from framecache.prefetch.extraction import Extractor
from framecache.prefetch.extraction_cost import ExtractionCost
from framecache.prefetch.extraction_workers import ExtractionWorkers
from framecache.prefetch.instance_caching import InstanceCaching
from framecache.prefetch.queue_state import QueueState
from framecache.prefetch.related import RelatedStudies
from framecache.prefetch.scheduler import Scheduler
from framecache.prefetch.write_behind import WriteBehind
from framecache.telemetry.events import Events

_PATIENCE_AT_THE_END = 2.0  # seconds


class Filling:
    """The threads of the plugin that work for themselves."""

    def __init__(self, context: Context, keeping: Keeping, codecs: CodecPools) -> None:
        settings, metrics, api, clock = context.settings, context.metrics, context.api, context.clock
        catalogue, store, dispatcher = keeping.catalogue, keeping.store, context.dispatcher
        self.extraction_cost = ExtractionCost(store.notes, clock)
        extractor, background = (
            Extractor(
                keeping.sources, store, keeping.pool, codecs.background, self.extraction_cost, may_evict=may_evict
            )
            for may_evict in (True, False)
        )
        self.scheduler = Scheduler(metrics, clock, dispatcher)
        caching = InstanceCaching(catalogue, extractor, background, store, self.scheduler, metrics, clock)
        self._workers = ExtractionWorkers(settings.workers, self.scheduler, caching, catalogue, store, metrics, clock)
        admission, studies = Admission(api, context.policy), Studies(api)
        self._related = RelatedStudies(
            studies,
            admission,
            self.scheduler,
            clock,
            opens=settings.warm_study,
            priors=settings.priors,
            same_modality=settings.priors_same_modality,
        )
        notes = store.notes
        self._queue_state = QueueState(self.scheduler, self._related, notes)
        self.backfill = Backfill(studies, admission, self.scheduler, store, clock, _plan(settings))
        self._checkpoint = Checkpoint(dispatcher)
        self.change_feed = ChangeFeed(api, self.scheduler, self._checkpoint, notes, metrics, admission, dispatcher)
        self.invalidation = Invalidation(catalogue, store.records, self.scheduler)
        self.write_behind = WriteBehind(catalogue, store)
        self._reconciliation = Reconciliation(api, store.versions, dispatcher, catalogue.has_file)
        self._housekeeping = Housekeeping(store, keeping.pool, self._start_writing)
        self._connect(dispatcher)
        _note_states(dispatcher, context.events)

    def _connect(self, dispatcher: Dispatcher) -> None:
        """Who acts on what has happened."""
        checkpoint, related, backfill = self._checkpoint, self._related, self.backfill
        dispatcher.subscribe(InstanceStored, lambda event: self.change_feed.arrived(event.orthanc_id))
        dispatcher.subscribe(InstanceDeleted, lambda event: self.invalidation.deleted(event.orthanc_id))
        dispatcher.subscribe(StaleInstanceFound, lambda event: self.invalidation.deleted(event.orthanc_id))
        dispatcher.subscribe(CheckpointHasRoom, lambda _: self.change_feed.read_on())
        dispatcher.subscribe(StudyArrived, lambda event: related.study_arrived(event.study_id))
        dispatcher.subscribe(InstanceOpened, lambda event: related.opened(event.entry))
        dispatcher.subscribe(StoredFormCached, lambda event: checkpoint.kept(event.orthanc_id))
        dispatcher.subscribe(InstanceDone, lambda event: checkpoint.done(event.orthanc_id))
        dispatcher.subscribe(InstanceDone, lambda event: backfill.done(event.orthanc_id))

    def start(self) -> None:
        """Orthanc answers from now on."""
        self.change_feed.start()
        self.invalidation.start()
        self._housekeeping.start()

    def _start_writing(self) -> None:
        """Behind the check of the folder: a block's file is there before its row is."""
        self._workers.start()
        self.write_behind.start()
        self._reconciliation.start()
        self._queue_state.start()
        self._related.start()
        self.backfill.start()

    def stop(self) -> None:
        """Ends within the time of one block; returns at once, but for the note on what waits."""
        self._queue_state.stop()
        guesses = (self.backfill, self._related)
        for worker in (
            *guesses,
            self.change_feed,
            self._workers,
            self.invalidation,
            self.write_behind,
            self._reconciliation,
            self._housekeeping,
        ):
            worker.stop()

    def join(self) -> None:
        """Wait a little for those who write."""
        deadline = time.monotonic() + _PATIENCE_AT_THE_END
        for join in (self.invalidation.join, self._housekeeping.join, self._workers.join):
            join(max(0.0, deadline - time.monotonic()))


def _plan(settings: Settings) -> Plan:
    return Plan(
        starts=settings.backfill,
        hours=parse_hours(settings.backfill_hours),
        rate=settings.backfill_mb_per_second * MEGABYTE,
        newest_days=settings.backfill_newest_days,
        share=settings.backfill_fill_percent / 100,
    )


def _note_states(dispatcher: Dispatcher, events: Events) -> None:
    """What the page's list of events has of the work."""

    def note(event: ExtractionStateChanged) -> None:
        state, orthanc_id = event.state, event.task.orthanc_id
        if state.state == "cached" and state.frames:  # else all of it was cached before
            text = counted(state.frames, "frame")
            events.note("cached", "instances", orthanc_id, f"{text}; {state.error}" if state.error else text)
        elif state.state == "failed":
            events.note("failed", "instances", orthanc_id, state.error or "")

    dispatcher.subscribe(ExtractionStateChanged, note)
