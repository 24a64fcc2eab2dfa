"""Cutting frames out: workers that fill the store, the nearest frames first."""

from __future__ import annotations

import contextlib
import heapq
import logging
from collections.abc import Callable, Mapping

from framecache.dicom.transfer_syntax import EXPLICIT, stored_representation
from framecache.errors import (
    FrameCacheError,
    HandOver,
    InstanceGone,
    NotFound,
    Overloaded,
    SharedUids,
    Stopping,
    reason,
)
from framecache.instances.catalogue import Catalogue
from framecache.instances.entry import Entry
from framecache.plurals import counted
from framecache.ports import Clock
from framecache.prefetch.extraction import ExtractionResult, Extractor
from framecache.prefetch.extraction_states import ExtractionState, ExtractionStates
from framecache.prefetch.inventory import Inventory
from framecache.prefetch.priority import Priority, Ticket
from framecache.prefetch.work_queue import Task, WorkQueue
from framecache.store.errors import DoesNotFit, StoreError
from framecache.store.store import Store
from framecache.telemetry.metrics import Metrics, MissCause
from framecache.threads import lower_disk_priority
from framecache.worker import Worker

logger = logging.getLogger(__name__)

_LONGEST_QUEUE = 100_000
_MOST_ATTEMPTS = 3
_PAUSE_SECONDS = 5.0
_GUESSES = (Priority.OPENED, Priority.PRIOR)
_GONE = "the instance was deleted or replaced"


class Scheduler:
    """Fills the store with the frames of instances, one form of one instance per worker at a time."""

    def __init__(
        self,
        catalogue: Catalogue,
        extractor: Extractor,
        store: Store,
        metrics: Metrics,
        clock: Clock,
        on_done: Callable[[str], None] = lambda _: None,
        on_state: Callable[[str, ExtractionState, Task], None] = lambda *_: None,
        on_kept: Callable[[str], None] = lambda _: None,
        on_opened: Callable[[Entry], None] = lambda _: None,
        background: Extractor | None = None,
    ) -> None:
        """`on_done` is told of each instance that nothing is left to do for, `on_state` what became of each fill.

        `on_kept` is told of each whose stored form is kept while its small form waits, `on_opened` of each that a
        viewer waits for. `background` is the extractor for the backfill.
        """
        self._background = background or extractor
        self._on_state, self._on_done, self._on_kept, self._on_opened = on_state, on_done, on_kept, on_opened
        self._catalogue, self._extractor, self._store = catalogue, extractor, store
        self._metrics, self._clock = metrics, clock
        self._line, self._near = WorkQueue(clock), dict[str, int]()
        self._states, self._stock = ExtractionStates(clock), Inventory(store, metrics)
        self._changed = self._line.changed
        self._stopping, self._workers = False, list[Worker]()

    def start(self, workers: int) -> list[Worker]:
        """Start so many workers, and one for the backfill."""
        task = "caching an instance"
        front = [Worker(f"extraction-{i}", self._take_next, task=task) for i in range(workers)]
        back = Worker("backfill-extraction", self._take_next_of_backfill, task=task, begin=lower_disk_priority)
        self._workers = [*front, back]
        for worker in self._workers:
            worker.start()
        if self._stopping:
            self.stop()
        return self._workers

    def stop(self) -> None:
        """Make the workers end after the block that they are writing."""
        self._stopping = True
        for worker in self._workers:
            worker.stop()
        self._line.close()

    def submit(self, orthanc_id: str, priority: Priority, near: int = 1) -> bool:
        """Queue an instance, once and at the better priority; whether there was room."""
        with self._changed:
            known = self._line.waiting(orthanc_id)
            if known is not None and known.priority <= priority and known.step == 0:
                return True
            if priority in _GUESSES and self._states.resting(orthanc_id):
                return True
            # New instances are never dropped: Orthanc's log of changes is read no further than there is room for them.
            if known is None and not priority.is_arrival and not self.has_room():
                self._metrics.count("dropped_from_queue")
                return False
            self._near[orthanc_id] = near
            self._states.note(orthanc_id, ExtractionState("queued"))
            self._line.enter(orthanc_id, priority if known is None else min(priority, known.priority))
            return True

    def wanted(self, entry: Entry, frame_number: int) -> MissCause:
        """A viewer waited for this frame: the instance goes before all that merely arrived, this frame first.

        Returns why it was not cached.
        """
        instance = entry.instance
        with self._changed:
            if instance.orthanc_id in self._near:
                self._near[instance.orthanc_id] = frame_number
            if self._line.is_at_work(instance.orthanc_id):
                return "queued"
            is_waiting = self._line.waiting(instance.orthanc_id) is not None
        if (cause := self._states.resting(instance.orthanc_id)) is not None:
            return cause
        if not entry.treatment.is_kept:
            return "left_out"
        if not _is_kept(entry, frame_number):  # it may be since he asked, or what he asked for was made of it
            self.submit(instance.orthanc_id, Priority.VIEWER, frame_number)
        self._on_opened(entry)
        return "queued" if is_waiting else "not_cached"

    def state(self, orthanc_id: str) -> ExtractionState | None:
        """What became of an instance, as long as it is remembered."""
        return self._states.get(orthanc_id)

    def forget(self, orthanc_id: str) -> None:
        """The instance was deleted or replaced: what was noted of it is not true of the next one."""
        with self._changed:
            self._states.forget(orthanc_id)
            self._line.outdate(orthanc_id)

    def cancel(self, orthanc_id: str) -> None:
        """The instance is about to be purged: it waits no longer, and a fill at work ends and takes all back."""
        with self._changed:
            was_waiting = self._line.cancel(orthanc_id)
            self._states.forget(orthanc_id)
            is_done = was_waiting and not self._line.is_at_work(orthanc_id)
            if is_done:
                self._near.pop(orthanc_id, None)
        if is_done:
            self._on_done(orthanc_id)

    def withdraw(self, orthanc_id: str) -> None:
        """Nobody wants the instance warmed any more: it waits no longer, unless it waits for another reason too."""
        with self._changed:
            place = self._line.waiting(orthanc_id)
            if place is None or place.priority != Priority.WARMED or place.step > 0:
                return
        self.cancel(orthanc_id)

    def is_busy_with(self, orthanc_id: str) -> bool:
        """Whether the instance waits or is at work; else its state is what became of it."""
        with self._changed:
            return self._line.knows(orthanc_id)

    def has_room(self) -> bool:
        """Whether the queue takes what is not new as well."""
        return len(self._line) < _LONGEST_QUEUE

    @property
    def queue_length(self) -> int:
        """Instances that wait."""
        return len(self._line)

    @property
    def oldest_waiting(self) -> float:
        """Seconds that the one waits that came first; 0 where nothing waits."""
        return self._line.oldest_waiting

    def at_work(self) -> list[Task]:
        """What is being cut out."""
        return self._line.at_work()

    def asked_for(self, most: int) -> list[tuple[str, Priority]]:
        """Up to `most` instances that nobody else will ask for once more; what goes first comes first."""
        places = ((place, orthanc_id) for place, orthanc_id in self._line.places() if place.is_asked_for)
        first = heapq.nsmallest(most, places)
        return [(orthanc_id, Priority(place.priority)) for place, orthanc_id in first]

    def failures(self) -> Mapping[str, str]:
        """The instances that failed, with their errors, as long as they are remembered."""
        return self._states.failures()

    def _take_next(self, *, in_background: bool = False) -> float | None:
        """Wait for the next instance, and work at it."""
        if (taken := self._line.take(in_background=in_background)) is None:
            return None  # closed
        orthanc_id, place = taken
        if place.step == 0:
            self._states.note(orthanc_id, ExtractionState("running"))
        state = self._fill_safely(orthanc_id, place)
        self._finish(orthanc_id, place, self._take_back(orthanc_id) if self._line.is_cancelled(place) else state)
        return 0.0

    def _take_next_of_backfill(self) -> float | None:
        return self._take_next(in_background=True)

    def _take_back(self, orthanc_id: str) -> ExtractionState:
        """Purged while it was cut out: what was written since goes as well."""
        with contextlib.suppress(Exception):  # noted by the store itself; whatever it is, this worker goes on
            self._store.versions.remove_all(orthanc_id)
        self._catalogue.forget(orthanc_id)
        return ExtractionState("skipped", "purged meanwhile")

    def _finish(self, orthanc_id: str, place: Ticket, state: ExtractionState) -> None:
        """What was interrupted by the stop is not done, nor whose next form or next version waits or is at work."""
        with self._changed:
            work = self._line.leave(orthanc_id, place)
            self._states.note(orthanc_id, state)
            is_done, next_place = not self._line.knows(orthanc_id), self._line.waiting(orthanc_id)
            if is_done:
                self._near.pop(orthanc_id, None)
        if self._stopping:
            return
        self._on_state(orthanc_id, state, work)
        if is_done:
            self._on_done(orthanc_id)
        elif next_place is not None and next_place.step > 0:
            self._on_kept(orthanc_id)

    def _fill_safely(self, orthanc_id: str, place: Ticket) -> ExtractionState:
        """One bad instance stops nothing."""
        try:
            return self._fill(orthanc_id, place)
        except InstanceGone:  # Orthanc tells late, or never where it only compressed the file
            return self._again(orthanc_id, place, 0, _GONE)
        except Overloaded as error:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping, _PAUSE_SECONDS)
            return self._again(orthanc_id, place, place.step, str(error))
        except Stopping:
            return ExtractionState("queued")
        except (NotFound, HandOver, StoreError) as error:  # the store itself has logged what is wrong with it
            is_to_rest = isinstance(error, DoesNotFit) and not place.is_background  # for which others make no room
            at = self._clock.monotonic() if is_to_rest else 0.0
            is_gone = isinstance(error, NotFound) and not isinstance(error, SharedUids)
            return ExtractionState("skipped", _GONE if is_gone else str(error), at)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next instance is tried
            self._metrics.count("failed_fills")
            logger.warning("caching instance %s failed: %s", orthanc_id, reason(error))
            failed_frames = error.frames if isinstance(error, FrameCacheError) else ()
            return ExtractionState("failed", reason(error), self._clock.monotonic(), failed_frames)

    def _again(self, orthanc_id: str, place: Ticket, step: int, why: str) -> ExtractionState:
        """It could not be cut out now, and may be a little later."""
        with self._changed:
            if place.attempt >= _MOST_ATTEMPTS - 1:
                return ExtractionState("skipped", why)
            if self._line.waiting(orthanc_id) is None and not self._line.is_cancelled(place):
                self._line.enter(orthanc_id, place.priority, step, place.attempt + 1)
            return ExtractionState("queued")

    def _give_way(self, orthanc_id: str, place: Ticket) -> ExtractionState:
        """Something better came: the blocks that were kept stay, and the others wait where these did."""
        with self._changed:
            if self._line.waiting(orthanc_id) is None and not (self._stopping or self._line.is_cancelled(place)):
                self._line.put(orthanc_id, place)
            return ExtractionState("queued")

    def _fill(self, orthanc_id: str, place: Ticket) -> ExtractionState:
        kept = self._store.versions.of([orthanc_id])  # before Orthanc is asked: what came later stays
        entry = self._catalogue.describe(orthanc_id)
        instance = entry.instance
        if not entry.treatment.is_kept:
            return ExtractionState("skipped", "the settings leave it out")
        if not entry.treatment.is_kept_at_arrival and Priority(place.priority).is_arrival:
            return ExtractionState("skipped", "the settings let it wait until a viewer asks for it")
        self._store.versions.remove({name: set(uuids) - {instance.attachment_uuid} for name, uuids in kept.items()})
        return self._fill_form(entry, place)

    def _fill_form(self, entry: Entry, place: Ticket) -> ExtractionState:
        orthanc_id, started = entry.instance.orthanc_id, self._clock.monotonic()
        self._store.records.keep(entry.instance.to_json(), background=place.is_background)
        self._stock.take(entry)
        try:
            forms = self._extractor.forms(entry)
            form = forms[min(place.step, len(forms) - 1)]
            self._line.begin_form(orthanc_id, entry, form.key)
            near, is_left = lambda: self._near.get(orthanc_id, 1), lambda: self._is_left(place)
            extractor = self._background if place.is_background else self._extractor
            done = extractor.extract(entry, form, near, is_left)
        except Exception as error:
            self._leave_nothing_stale(entry, error)
            if isinstance(error, DoesNotFit) and place.step == 0:
                self._stock.drop(entry)
            raise
        self._leave_nothing_stale(entry)
        if self._is_left(place):
            return self._give_way(orthanc_id, place)
        if not self._stock.is_whole(entry):
            return ExtractionState(
                "skipped", "it was evicted while it was cut out: the cache is too small for what arrives"
            )
        if done.frames:  # else it was all there: a viewer was faster than the log of changes
            self._report(orthanc_id, done, self._clock.monotonic() - started, is_first_form=place.step == 0)
        self._queue_next_form(orthanc_id, place, len(forms))
        return ExtractionState.cached(done.frames, done.size, done.missing, entry.instance.number_of_frames)

    def _is_left(self, place: Ticket) -> bool:
        return self._stopping or self._line.is_cancelled(place) or self._line.has_to_wait(place)

    def _queue_next_form(self, orthanc_id: str, place: Ticket, forms: int) -> None:
        with self._changed:
            is_free = self._line.waiting(orthanc_id) is None and not self._line.is_cancelled(place)
            if place.step + 1 < forms and is_free:
                self._line.enter(orthanc_id, place.priority, place.step + 1)

    def _leave_nothing_stale(self, entry: Entry, cause: Exception | None = None) -> None:
        """Raises InstanceGone, and leaves nothing behind, if it was deleted or replaced while it was cut out."""
        if not self._catalogue.still_holds(entry):
            self._catalogue.forget_stale([entry.instance.orthanc_id])
            raise InstanceGone("the instance was deleted or replaced meanwhile") from cause

    def _report(self, orthanc_id: str, done: ExtractionResult, seconds: float, *, is_first_form: bool) -> None:
        if is_first_form:
            self._metrics.count("filled_instances")
        self._metrics.filled(done.frames, done.size, seconds)
        frames = counted(done.frames, "frame")
        logger.info("cached %s of %s: %d bytes in %.2f s", frames, orthanc_id, done.size, seconds)


def _is_kept(entry: Entry, frame_number: int) -> bool:
    """Whether the frame is in the cache in the form in which the instance is kept first, or its place is known."""
    stored = stored_representation(entry.instance.transfer_syntax_uid) or EXPLICIT
    return entry.index is not None or (stored.transfer_syntax_uid, frame_number) in entry.blocks
