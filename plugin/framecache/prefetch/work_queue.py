"""Instances that wait to be cached, each once, and those at work."""

from __future__ import annotations

import heapq
import itertools
import threading

from framecache.ports import Clock
from framecache.prefetch.task import Priority, Task, Ticket


class WorkQueue:
    """A ticket for each instance that waits, a task for each at work. Its methods may be called from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[Ticket] = []
        self._waiting: dict[str, Ticket] = {}
        self._at_work: dict[str, Task] = {}
        self._order = itertools.count()
        self._is_closed = False
        self.changed = threading.Condition()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def is_closed(self) -> bool:
        """Whether nothing is taken any more."""
        return self._is_closed

    @property
    def oldest_waiting(self) -> float:
        """Seconds that the one waits that came first; 0 where nothing waits."""
        with self.changed:
            first = next(iter(self._waiting.values()), None)  # one that is moved forward keeps its place in the dict
            return self._clock.monotonic() - first.since if first else 0.0

    def waiting(self, orthanc_id: str) -> Ticket | None:
        """Where an instance waits."""
        return self._waiting.get(orthanc_id)

    def is_at_work(self, orthanc_id: str) -> bool:
        """Whether an instance is at work."""
        return orthanc_id in self._at_work

    def knows(self, orthanc_id: str) -> bool:
        """Whether an instance waits or is at work."""
        return orthanc_id in self._waiting or orthanc_id in self._at_work

    def tasks(self) -> list[Task]:
        """What is at work."""
        with self.changed:
            return list(self._at_work.values())

    def tickets(self) -> list[Ticket]:
        """Of all that wait or are at work, in no order."""
        with self.changed:
            return [*(task.ticket for task in self._at_work.values()), *self._waiting.values()]

    def enter(self, orthanc_id: str, priority: Priority, step: int = 0, attempt: int = 0) -> None:
        """Let an instance wait behind those of its priority; it gives up the place that it had."""
        with self.changed:
            known = self._waiting.get(orthanc_id)
            since = known.since if known else self._clock.monotonic()
            self._put(Ticket(priority, step, next(self._order), since, attempt, orthanc_id))

    def enter_again(self, task: Task, step: int, attempt: int = 0) -> None:
        """Let an instance at work wait once more, behind others, unless it waits already or is cancelled."""
        with self.changed:
            if task.orthanc_id not in self._waiting and not task.is_cancelled:
                self.enter(task.orthanc_id, task.priority, step, attempt)

    def put_back(self, task: Task) -> None:
        """The same, in the place that it had."""
        with self.changed:
            if task.orthanc_id not in self._waiting and not task.is_cancelled:
                self._put(task.ticket)

    def _put(self, ticket: Ticket) -> None:
        self._waiting[ticket.orthanc_id] = ticket
        heapq.heappush(self._heap, ticket)
        self.changed.notify_all()

    def take(self, *, in_background: bool) -> Task | None:
        """The next one, as soon as there is one; None once the queue is closed.

        What is in the background is taken by its own worker alone, and only while nothing else waits or is at work:
        so all others find a free worker, whatever the backfill does.
        """
        with self.changed:
            while not self._is_closed:
                if (task := self.take_now(in_background=in_background)) is not None:
                    return task
                self.changed.wait()
            return None

    def take_now(self, *, in_background: bool) -> Task | None:
        """The next one, or None where there is none now."""
        with self.changed:
            first = self._first()
            if first is None or first.is_background != in_background or (in_background and self._is_busy()):
                return None
            heapq.heappop(self._heap)
            del self._waiting[first.orthanc_id]
            task = self._at_work[first.orthanc_id] = Task(first, self._clock.monotonic())
            return task

    def _first(self) -> Ticket | None:
        """The first ticket that counts: an instance that was moved forward leaves its old one behind.

        One that is at work is held back until that has ended: two would do the same, or take back what the other did.
        """
        while self._heap:
            ticket = self._heap[0]
            if self._waiting.get(ticket.orthanc_id) == ticket and ticket.orthanc_id not in self._at_work:
                return ticket
            heapq.heappop(self._heap)
        return None

    def _is_busy(self) -> bool:
        return any(not task.ticket.is_background for task in self._at_work.values())

    def must_yield(self, task: Task) -> bool:
        """Whether a task must be preempted for something better, or restarted."""
        with self.changed:
            if task.is_outdated or not task.ticket.is_background:
                return task.is_outdated
            first = self._first()
            return self._is_busy() or (first is not None and not first.is_background)

    def leave(self, task: Task) -> None:
        """The work has ended."""
        with self.changed:
            del self._at_work[task.orthanc_id]
            if task.orthanc_id in self._waiting:  # it may have been held back
                heapq.heappush(self._heap, self._waiting[task.orthanc_id])
            self.changed.notify_all()

    def outdate(self, orthanc_id: str) -> None:
        """Let the work on an instance be restarted: it may be on a version that is there no more."""
        with self.changed:
            if orthanc_id in self._at_work:
                self._at_work[orthanc_id].is_outdated = True

    def cancel(self, orthanc_id: str) -> bool:
        """Let an instance wait no longer, and its work end; whether it waited."""
        with self.changed:
            if orthanc_id in self._at_work:
                self._at_work[orthanc_id].is_cancelled = True
            return self._waiting.pop(orthanc_id, None) is not None

    def close(self) -> None:
        """Nothing is taken any more."""
        with self.changed:
            self._is_closed = True
            self.changed.notify_all()
