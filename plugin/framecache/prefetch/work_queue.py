"""The line in which instances wait to be cut out: what goes first, and each once."""

from __future__ import annotations

import heapq
import itertools
import threading
from dataclasses import dataclass

from framecache.instances.entry import Entry
from framecache.ports import Clock
from framecache.prefetch.priority import Priority, Ticket


@dataclass(slots=True)
class Task:
    """One form of an instance that waited since `queued` and is cut out since `since` (monotonic seconds).

    There is no entry before it is known.
    """

    orthanc_id: str
    priority: Priority
    queued: float
    since: float
    entry: Entry | None = None
    form_key: str = ""

    @property
    def cached_frames(self) -> int:
        """Its frames in that form that are kept already."""
        return sum(form == self.form_key for form, _ in list(self.entry.blocks)) if self.entry else 0


class WorkQueue:
    """Places by Orthanc ID: those that wait, and one at work for each. Its methods may be called from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[Ticket, str]] = []
        self._waiting: dict[str, Ticket] = {}
        self._at_work: dict[str, tuple[Ticket, Task]] = {}
        self._cancelled, self._outdated = set[Ticket](), set[Ticket]()
        self._order = itertools.count()
        self._is_closed = False
        self.changed = threading.Condition()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def waiting(self, orthanc_id: str) -> Ticket | None:
        """Where an instance waits."""
        return self._waiting.get(orthanc_id)

    @property
    def oldest_waiting(self) -> float:
        """Seconds that the one waits that came first; 0 where nothing waits."""
        with self.changed:
            first = next(iter(self._waiting.values()), None)  # one that is moved forward keeps its place in the dict
            return self._clock.monotonic() - first.since if first else 0.0

    def at_work(self) -> list[Task]:
        """What is being cut out."""
        with self.changed:
            return [work for _, work in self._at_work.values()]

    def places(self) -> list[tuple[Ticket, str]]:
        """Of all that wait or are at work, in no order."""
        with self.changed:
            at_work = [(place, orthanc_id) for orthanc_id, (place, _) in self._at_work.items()]
            return at_work + [(place, orthanc_id) for orthanc_id, place in self._waiting.items()]

    def begin_form(self, orthanc_id: str, entry: Entry, form_key: str) -> None:
        """Note what is being cut out of an instance."""
        with self.changed:
            _, work = self._at_work[orthanc_id]
            work.entry, work.form_key = entry, form_key

    def is_at_work(self, orthanc_id: str) -> bool:
        """Whether an instance is being cut out."""
        return orthanc_id in self._at_work

    def knows(self, orthanc_id: str) -> bool:
        """Whether an instance waits or is being cut out."""
        return orthanc_id in self._waiting or orthanc_id in self._at_work

    def enter(self, orthanc_id: str, priority: int, step: int = 0, attempt: int = 0) -> None:
        """Let an instance wait behind those of its priority; it gives up the place that it had."""
        with self.changed:
            known = self._waiting.get(orthanc_id)
            since = known.since if known else self._clock.monotonic()
            self.put(orthanc_id, Ticket(priority, step, next(self._order), since, attempt))

    def put(self, orthanc_id: str, place: Ticket) -> None:
        """Let an instance wait in this place."""
        with self.changed:
            self._waiting[orthanc_id] = place
            heapq.heappush(self._heap, (place, orthanc_id))
            self.changed.notify_all()

    def take(self, *, in_background: bool) -> tuple[str, Ticket] | None:
        """The next one, as soon as there is one; None once the line is closed.

        What is in the background is taken by its own worker alone, and only while nothing else waits or is at work:
        so all others find a free worker, whatever the backfill does.
        """
        with self.changed:
            while not self._is_closed:
                if self._has_next(in_background=in_background):
                    place, orthanc_id = heapq.heappop(self._heap)
                    del self._waiting[orthanc_id]
                    now = self._clock.monotonic()
                    self._at_work[orthanc_id] = place, Task(orthanc_id, Priority(place.priority), place.since, now)
                    return orthanc_id, place
                self.changed.wait()
            return None

    def _has_next(self, *, in_background: bool) -> bool:
        head = self._head()
        return head is not None and head.is_background == in_background and not (in_background and self._is_busy())

    def _head(self) -> Ticket | None:
        """The first place that counts: an instance that was moved forward leaves its old one behind.

        One that is at work is held back until that has ended: two would do the same, or take back what the other did.
        """
        while self._heap:
            place, orthanc_id = self._heap[0]
            if self._waiting.get(orthanc_id) == place and orthanc_id not in self._at_work:
                return place
            heapq.heappop(self._heap)
        return None

    def _is_busy(self) -> bool:
        return any(not place.is_background for place, _ in self._at_work.values())

    def has_to_wait(self, place: Ticket) -> bool:
        """Whether what is at work in this place has to be left for something better, or to be looked at anew."""
        with self.changed:
            if not place.is_background or place in self._outdated:
                return place in self._outdated
            head = self._head()
            return self._is_busy() or (head is not None and not head.is_background)

    def leave(self, orthanc_id: str, place: Ticket) -> Task:
        """The work in this place, which has ended."""
        with self.changed:
            _, work = self._at_work.pop(orthanc_id)
            self._cancelled.discard(place)
            self._outdated.discard(place)
            if orthanc_id in self._waiting:  # it may have been held back
                heapq.heappush(self._heap, (self._waiting[orthanc_id], orthanc_id))
            self.changed.notify_all()
            return work

    def outdate(self, orthanc_id: str) -> None:
        """Let the work on an instance be left: it may be on a version that is there no more."""
        with self.changed:
            if orthanc_id in self._at_work:
                self._outdated.add(self._at_work[orthanc_id][0])

    def cancel(self, orthanc_id: str) -> bool:
        """Let an instance wait no longer, and its work end; whether it waited."""
        with self.changed:
            if orthanc_id in self._at_work:
                self._cancelled.add(self._at_work[orthanc_id][0])
            return self._waiting.pop(orthanc_id, None) is not None

    def is_cancelled(self, place: Ticket) -> bool:
        """Whether what is at work in this place is to end and to take all back."""
        return place in self._cancelled

    def close(self) -> None:
        """Nothing is taken any more."""
        with self.changed:
            self._is_closed = True
            self.changed.notify_all()
