"""Cutting frames out: a queue of instances, workers that fill the store, the nearest frames first."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import NamedTuple

from framecache.archive.catalogue import Catalogue, Entry
from framecache.cache.frame_store import BlockRow, FrameStore, StoreError
from framecache.errors import FrameCacheError, HandOver, InstanceGone, NotFound
from framecache.filling.extraction import Extracted, Extractor
from framecache.metrics import Metrics, MissCause
from framecache.ports import Clock, Log
from framecache.rules.policy import Policy
from framecache.rules.rule import Turn
from framecache.threads import make_way, start_thread

_LONGEST_QUEUE = 100_000
_STATES_KEPT = 10_000
_RETRY_SECONDS = 300.0


class Priority(IntEnum):
    """What goes first. At the same priority the stored forms of all instances go before the small form of any."""

    VIEWER = 0
    ARRIVED_HIGH = 1
    ARRIVED = 2
    ARRIVED_LOW = 3
    WARMED = 4

    @property
    def is_arrival(self) -> bool:
        """Whether nobody has asked for it yet."""
        return self in ARRIVALS.values()


# By what rules say of an instance that has arrived.
ARRIVALS: Mapping[Turn, Priority] = MappingProxyType(
    {"high": Priority.ARRIVED_HIGH, "normal": Priority.ARRIVED, "low": Priority.ARRIVED_LOW}
)


@dataclass(frozen=True, slots=True)
class FillState:
    """What became of an instance: "queued", "running", "cached", "skipped" or "failed", why, and when (monotonic).

    `failed_frames` are the numbers of those that could not be cut out, as far as it got.
    """

    state: str
    error: str | None = None
    at: float = 0.0
    failed_frames: Sequence[int] = ()


class _Place(NamedTuple):
    """Where an instance stands in the queue; `step` is the number of its forms that are kept already.

    It waits since `since` (monotonic seconds).
    """

    priority: int
    step: int
    order: int
    since: float


@dataclass(slots=True)
class Work:
    """One form of an instance that is being cut out since `since` (monotonic seconds); no entry before it is known."""

    orthanc_id: str
    priority: Priority
    since: float
    entry: Entry | None = None
    form_key: str = ""

    @property
    def cached_frames(self) -> int:
        """Its frames in that form that are kept already."""
        return sum(form == self.form_key for form, _ in list(self.entry.blocks)) if self.entry else 0


class Filler:
    """Fills the store with the frames of instances, one form of one instance per worker at a time."""

    def __init__(
        self,
        catalogue: Catalogue,
        extractor: Extractor,
        store: FrameStore,
        metrics: Metrics,
        clock: Clock,
        log: Log,
        policy: Policy,
        on_done: Callable[[str], None] = lambda _: None,
        on_state: Callable[[str, FillState], None] = lambda *_: None,
    ) -> None:
        """`on_done` is told of each instance that nothing is left to do for, `on_state` what became of each fill."""
        self._on_done, self._on_state = on_done, on_state
        self._catalogue, self._extractor, self._store = catalogue, extractor, store
        self._metrics, self._clock, self._log, self._policy = metrics, clock, log, policy
        self._heap: list[tuple[_Place, str]] = []
        self._waiting: dict[str, _Place] = {}
        self._at_work: dict[str, _Place] = {}
        self._work_of: dict[str, Work] = {}
        self._cancelled: set[_Place] = set()
        self._near: dict[str, int] = {}
        self._states: OrderedDict[str, FillState] = OrderedDict()
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._stopping = False

    def start(self, workers: int) -> list[threading.Thread]:
        """Start so many workers."""
        return [start_thread(f"frame-cache-filler-{i}", self._work) for i in range(workers)]

    def stop(self) -> None:
        """Make the workers end after the block that they are writing."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def submit(self, orthanc_id: str, priority: Priority, near: int = 1) -> bool:
        """Queue an instance, once and at the better priority; whether there was room."""
        with self._changed:
            known = self._waiting.get(orthanc_id)
            if known is not None and known.priority <= priority and known.step == 0:
                return True
            # New instances are never dropped: Orthanc's log of changes is read no further than there is room for them.
            if known is None and not priority.is_arrival and not self.has_room():
                self._metrics.count("dropped_from_queue")
                return False
            self._near[orthanc_id] = near
            self._note(orthanc_id, FillState("queued"))
            self._put(orthanc_id, priority if known is None else min(priority, known.priority), 0)
            return True

    def _put(self, orthanc_id: str, priority: int, step: int) -> None:
        with self._changed:
            known = self._waiting.get(orthanc_id)
            since = known.since if known else self._clock.monotonic()
            place = self._waiting[orthanc_id] = _Place(priority, step, next(self._order), since)
            heapq.heappush(self._heap, (place, orthanc_id))
            self._changed.notify()

    def wanted(self, entry: Entry, frame_number: int) -> MissCause:
        """A viewer waited for this frame: the instance goes before all that merely arrived, this frame first.

        Returns why it was not cached.
        """
        instance = entry.instance
        with self._changed:
            if instance.orthanc_id in self._near:
                self._near[instance.orthanc_id] = frame_number
            if instance.orthanc_id in self._at_work:
                return "queued"
            is_waiting = instance.orthanc_id in self._waiting
        state = self._states.get(instance.orthanc_id)
        if state is not None and self._failed_lately(state):
            return "failed"
        if not self._policy.decide(instance).is_kept:
            return "left_out"
        self.submit(instance.orthanc_id, Priority.VIEWER, frame_number)
        return "queued" if is_waiting else "not_cached"

    def _failed_lately(self, state: FillState) -> bool:
        """A full disk may have room again after a while; a broken file is not tried with each request."""
        return state.state == "failed" and self._clock.monotonic() - state.at < _RETRY_SECONDS

    def state(self, orthanc_id: str) -> FillState | None:
        """What became of an instance, as long as it is remembered."""
        return self._states.get(orthanc_id)

    def forget(self, orthanc_id: str) -> None:
        """The instance was deleted or replaced: what was noted of it is not true of the next one."""
        with self._changed:
            self._states.pop(orthanc_id, None)

    def cancel(self, orthanc_id: str) -> None:
        """The instance is about to be purged: it waits no longer, and a fill at work ends and takes all back."""
        with self._changed:
            was_waiting = self._waiting.pop(orthanc_id, None) is not None
            self._states.pop(orthanc_id, None)
            place = self._at_work.get(orthanc_id)
            if place is not None:
                self._cancelled.add(place)
        if was_waiting and place is None:
            self._on_done(orthanc_id)

    def withdraw(self, orthanc_id: str) -> None:
        """Nobody wants the instance warmed any more: it waits no longer, unless it waits for another reason too."""
        with self._changed:
            place = self._waiting.get(orthanc_id)
            if place is None or place.priority < Priority.WARMED or place.step > 0:
                return
        self.cancel(orthanc_id)

    def is_busy_with(self, orthanc_id: str) -> bool:
        """Whether the instance waits or is at work."""
        with self._changed:
            return orthanc_id in self._waiting or orthanc_id in self._at_work

    def has_room(self) -> bool:
        """Whether the queue takes what is not new as well."""
        return len(self._waiting) < _LONGEST_QUEUE

    @property
    def queue_length(self) -> int:
        """Instances that wait."""
        return len(self._waiting)

    @property
    def oldest_waiting(self) -> float:
        """Seconds that the one waits that came first; 0 where nothing waits."""
        with self._changed:
            first = next(iter(self._waiting.values()), None)  # one that is moved forward keeps its place in the dict
            return self._clock.monotonic() - first.since if first else 0.0

    def at_work(self) -> list[Work]:
        """What is being cut out."""
        with self._changed:
            return list(self._work_of.values())

    def failures(self) -> Mapping[str, str]:
        """The instances that failed, with their errors, as long as they are remembered."""
        return {key: state.error or "" for key, state in list(self._states.items()) if state.state == "failed"}

    def _note(self, orthanc_id: str, state: FillState) -> None:
        with self._changed:
            self._states[orthanc_id] = state
            self._states.move_to_end(orthanc_id)
            while len(self._states) > _STATES_KEPT:
                self._states.popitem(last=False)

    def _work(self) -> None:
        make_way()
        while (work := self._next()) is not None:
            orthanc_id, place = work
            if place.step == 0:
                self._note(orthanc_id, FillState("running"))
            state = self._fill_safely(orthanc_id, place)
            self._finish(orthanc_id, place, self._take_back(orthanc_id) if place in self._cancelled else state)

    def _take_back(self, orthanc_id: str) -> FillState:
        """Purged while it was cut out: what was written since goes as well."""
        with contextlib.suppress(StoreError):  # noted by the store itself
            self._store.forget(orthanc_id)
        self._catalogue.forget(orthanc_id)
        return FillState("skipped", "purged meanwhile")

    def _finish(self, orthanc_id: str, place: _Place, state: FillState) -> None:
        """What was interrupted by the stop is not done, nor whose next form or next version waits or is at work."""
        with self._changed:
            if self._at_work.get(orthanc_id) == place:
                del self._at_work[orthanc_id], self._work_of[orthanc_id]
                self._note(orthanc_id, state)  # else a newer version is at work or done, and that one's state counts
            self._cancelled.discard(place)
            if orthanc_id in self._waiting:  # it may have been held back
                heapq.heappush(self._heap, (self._waiting[orthanc_id], orthanc_id))
                self._changed.notify()
            is_done = orthanc_id not in self._waiting and orthanc_id not in self._at_work
            if is_done:
                self._near.pop(orthanc_id, None)
        if not self._stopping:
            self._on_state(orthanc_id, state)
            if is_done:
                self._on_done(orthanc_id)

    def _next(self) -> tuple[str, _Place] | None:
        with self._changed:
            while not self._stopping:
                while self._heap:
                    place, orthanc_id = heapq.heappop(self._heap)
                    # An instance that was moved forward leaves its old place behind.
                    is_its_place = self._waiting.get(orthanc_id) == place
                    # What takes all back has to end before it is begun again.
                    if is_its_place and self._at_work.get(orthanc_id) not in self._cancelled:
                        del self._waiting[orthanc_id]
                        self._at_work[orthanc_id] = place
                        self._work_of[orthanc_id] = Work(orthanc_id, Priority(place.priority), self._clock.monotonic())
                        return orthanc_id, place
                self._changed.wait()
            return None

    def _fill_safely(self, orthanc_id: str, place: _Place) -> FillState:
        """One bad instance stops nothing."""
        try:
            return self._fill(orthanc_id, place)
        except (NotFound, InstanceGone):
            return FillState("skipped", "the instance was deleted or replaced")
        except (HandOver, StoreError) as error:  # the store itself has logged what is wrong with it
            return FillState("skipped", str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the next instance is tried
            self._metrics.count("failed_fills")
            message = str(error) if isinstance(error, FrameCacheError) else f"{type(error).__name__}: {error}"
            self._log.warning(f"frame cache: instance {orthanc_id} could not be cached: {message}")
            failed_frames = error.frames if isinstance(error, FrameCacheError) else ()
            return FillState("failed", message, self._clock.monotonic(), failed_frames)

    def _fill(self, orthanc_id: str, place: _Place) -> FillState:
        kept = self._store.versions_of([orthanc_id])  # before Orthanc is asked: what came later stays
        entry = self._catalogue.describe(orthanc_id)
        instance = entry.instance
        treatment = self._policy.decide(instance)
        if not treatment.is_kept:
            return FillState("skipped", "the settings leave it out")
        if not treatment.is_kept_at_arrival and Priority(place.priority).is_arrival:
            return FillState("skipped", "the settings let it wait until a viewer asks for it")
        if instance.file_size > self._store.limit and not self._extractor.is_indexed(entry):
            return FillState("skipped", "the instance is larger than the cache")
        self._store.forget_versions({name: set(uuids) - {instance.attachment_uuid} for name, uuids in kept.items()})
        return self._fill_form(entry, place)

    def _fill_form(self, entry: Entry, place: _Place) -> FillState:
        orthanc_id, started = entry.instance.orthanc_id, self._clock.monotonic()
        self._store.keep_record(entry.instance)
        self._take_stock(entry)
        try:
            forms = self._extractor.forms(entry)
            form = forms[min(place.step, len(forms) - 1)]
            self._begin_form(orthanc_id, entry, form.key)
            done = self._extractor.extract(
                entry, form, lambda: self._near.get(orthanc_id, 1), lambda: self._stopping or place in self._cancelled
            )
        except Exception as error:
            self._leave_nothing_stale(entry, error)
            raise
        self._leave_nothing_stale(entry)
        if self._stopping or place in self._cancelled:
            return FillState("queued")
        if place.step == 0:
            self._metrics.count("filled_instances")
        self._report(orthanc_id, done, self._clock.monotonic() - started)
        self._queue_next_form(orthanc_id, place, len(forms))
        if not done.missing:
            return FillState("cached")
        frames = entry.instance.number_of_frames
        lack = f"the stored file lacks the last {done.missing} of {frames} frames"
        return FillState("cached", lack, failed_frames=range(frames - done.missing + 1, frames + 1))

    def _begin_form(self, orthanc_id: str, entry: Entry, form_key: str) -> None:
        with self._changed:
            work = self._work_of.get(orthanc_id)  # not that of a version that was overtaken
            if work is not None:
                work.entry, work.form_key = entry, form_key

    def _take_stock(self, entry: Entry) -> None:
        """What was found to be damaged is no block any more, or it would be met with each request again."""
        broken, whole = entry.take_broken(), list[BlockRow]()
        for row in self._store.blocks(entry.instance):
            if row not in broken:
                whole.append(row)
                continue
            self._store.forget_block(row)
            if broken[row] == "damaged":
                self._metrics.count("damaged_blocks")
        entry.take_stock(whole)

    def _queue_next_form(self, orthanc_id: str, place: _Place, forms: int) -> None:
        with self._changed:
            if place.step + 1 < forms and orthanc_id not in self._waiting and place not in self._cancelled:
                self._put(orthanc_id, place.priority, place.step + 1)

    def _leave_nothing_stale(self, entry: Entry, cause: Exception | None = None) -> None:
        """Raises InstanceGone, and leaves nothing behind, if it was deleted or replaced while it was cut out."""
        if not self._catalogue.still_holds(entry):
            self._catalogue.forget_stale([entry.instance.orthanc_id])
            raise InstanceGone("the instance was deleted or replaced meanwhile") from cause

    def _report(self, orthanc_id: str, done: Extracted, seconds: float) -> None:
        self._metrics.filled(done.frames, done.size, seconds)
        self._log.info(
            f"frame cache: {done.frames} frames of {orthanc_id} cached, {done.size} bytes in {seconds:.2f} s"
        )
