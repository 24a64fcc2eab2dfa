"""Brings one form of one instance into the cache: wholly or not at all, and only of the version that Orthanc has."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from framecache.errors import InstanceGone
from framecache.instances.catalogue import Catalogue
from framecache.instances.entry import Entry
from framecache.plurals import counted
from framecache.ports import Clock
from framecache.prefetch.block_writer import ExtractionResult, Inventory
from framecache.prefetch.extraction import Extractor
from framecache.prefetch.extraction_states import ExtractionState
from framecache.prefetch.scheduler import Scheduler
from framecache.prefetch.task import Task
from framecache.serving.representations import Transcoded
from framecache.store.errors import DoesNotFit
from framecache.store.store import Store
from framecache.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

GONE = "the instance was deleted or replaced"


class InstanceCaching:
    """What a worker does with a task."""

    def __init__(
        self,
        catalogue: Catalogue,
        extractor: Extractor,
        backfill_extractor: Extractor,
        store: Store,
        scheduler: Scheduler,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        """`backfill_extractor` takes only room that is free."""
        self._catalogue, self._store, self._scheduler = catalogue, store, scheduler
        self._extractor, self._backfill_extractor = extractor, backfill_extractor
        self._metrics, self._clock, self._inventory = metrics, clock, Inventory(store, metrics)

    def cache(self, task: Task) -> ExtractionState:
        """What became of it. Raises FrameCacheError."""
        orthanc_id = task.orthanc_id
        kept = self._store.versions.of([orthanc_id])  # before Orthanc is asked: what came later stays
        entry = task.entry = self._catalogue.describe(orthanc_id)
        if not entry.treatment.is_kept:
            return ExtractionState("skipped", "excluded by the settings")
        if not entry.treatment.is_kept_at_arrival and task.priority.is_arrival:
            return ExtractionState("skipped", "the settings cache it when a viewer asks for it")
        current = entry.instance.attachment_uuid
        self._store.versions.remove({name: set(uuids) - {current} for name, uuids in kept.items()})
        return self._cache_form(task, entry)

    def _cache_form(self, task: Task, entry: Entry) -> ExtractionState:
        started = self._clock.monotonic()
        self._store.records.keep(entry.instance.to_json(), background=task.ticket.is_background)
        self._inventory.refresh(entry)
        forms, done = self._extract(task, entry)
        if self._scheduler.must_end(task):
            return self._scheduler.put_back(task)
        if not self._inventory.is_whole(entry):
            return ExtractionState("skipped", "evicted during extraction: the cache is too small for what arrives")
        if done.frames:  # else it was all there: a viewer was faster than the log of changes
            self._report(task, done, self._clock.monotonic() - started)
        if task.ticket.step + 1 < len(forms):
            self._scheduler.queue_next_form(task)
        return ExtractionState.cached(done.frames, done.size, done.missing, entry.instance.number_of_frames)

    def _extract(self, task: Task, entry: Entry) -> tuple[Sequence[Transcoded], ExtractionResult]:
        """All forms of the instance, and what was kept of the one whose turn it is."""
        try:
            forms = self._extractor.forms(entry)
            form = forms[min(task.ticket.step, len(forms) - 1)]
            task.form_key = form.key
            extractor = self._backfill_extractor if task.ticket.is_background else self._extractor
            near, must_end = lambda: self._scheduler.near(task), lambda: self._scheduler.must_end(task)
            done = extractor.extract(entry, form, near, must_end)
        except Exception as error:
            self._leave_nothing_stale(entry, error)
            if isinstance(error, DoesNotFit) and task.ticket.step == 0:
                self._inventory.drop(entry)
            raise
        self._leave_nothing_stale(entry)
        return forms, done

    def _leave_nothing_stale(self, entry: Entry, cause: Exception | None = None) -> None:
        """Raises InstanceGone, and leaves nothing behind, if it was deleted or replaced while it was extracted."""
        if not self._catalogue.still_holds(entry):
            self._catalogue.forget_stale([entry.instance.orthanc_id])
            raise InstanceGone("the instance was deleted or replaced meanwhile") from cause

    def _report(self, task: Task, done: ExtractionResult, seconds: float) -> None:
        if task.ticket.step == 0:
            self._metrics.count("extracted_instances")
        self._metrics.extracted(done.frames, done.size, seconds)
        frames = counted(done.frames, "frame")
        logger.info("cached %s of %s: %d bytes in %.2f s", frames, task.orthanc_id, done.size, seconds)
