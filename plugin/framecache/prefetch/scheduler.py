"""Which instance is cached next, and what became of each."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from framecache.dicom.transfer_syntax import EXPLICIT, stored_representation
from framecache.dispatcher import Dispatcher
from framecache.instances.entry import Entry
from framecache.ports import Clock
from framecache.prefetch.events import ExtractionStateChanged, InstanceDone, InstanceOpened, StoredFormCached
from framecache.prefetch.extraction_states import ExtractionState, ExtractionStates
from framecache.prefetch.task import Priority, Task
from framecache.prefetch.work_queue import WorkQueue
from framecache.telemetry.metrics import Metrics, MissCause

_MOST_ATTEMPTS = 3
_GUESSES = (Priority.OPENED, Priority.PRIOR)


class Scheduler:
    """Takes in what is to be cached, and hands it to workers. Its methods may be called from any thread.

    Publishes InstanceOpened, ExtractionStateChanged, StoredFormCached and InstanceDone.
    """

    def __init__(
        self,
        metrics: Metrics,
        clock: Clock,
        dispatcher: Dispatcher,
        *,
        longest_queue: int = 100_000,
        most_states: int = 10_000,
    ) -> None:
        """Beyond `longest_queue` instances only what arrives is taken, beyond `most_states` the oldest is forgotten."""
        self._metrics, self._dispatcher, self._longest_queue = metrics, dispatcher, longest_queue
        self._queue, self._states = WorkQueue(clock), ExtractionStates(clock, most=most_states)
        # The frame that a viewer waits for, of all that wait or are at work.
        self._near = dict[str, int]()
        self._changed = self._queue.changed

    def submit(self, orthanc_id: str, priority: Priority, near: int = 1) -> bool:
        """Queue an instance, once and at the better priority; whether there was room."""
        with self._changed:
            known = self._queue.waiting(orthanc_id)
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
            self._queue.enter(orthanc_id, priority if known is None else min(priority, known.priority))
            return True

    def queue_missed(self, entry: Entry, frame_number: int) -> MissCause:
        """A viewer waited for this frame: the instance goes before all that merely arrived, this frame first.

        Returns why it was not cached.
        """
        orthanc_id = entry.instance.orthanc_id
        with self._changed:
            if orthanc_id in self._near:
                self._near[orthanc_id] = frame_number
            if self._queue.is_at_work(orthanc_id):
                return "queued"
            is_waiting = self._queue.waiting(orthanc_id) is not None
        if (cause := self._states.resting(orthanc_id)) is not None:
            return cause
        if not entry.treatment.is_kept:
            return "left_out"
        if not _is_cached(entry, frame_number):  # it may be since he asked, or what he asked for was made of it
            self.submit(orthanc_id, Priority.VIEWER, frame_number)
        self._dispatcher.publish(InstanceOpened(entry))
        return "queued" if is_waiting else "not_cached"

    def forget(self, orthanc_id: str) -> None:
        """The instance was deleted or replaced: what was noted of it is not true of the next one."""
        with self._changed:
            self._states.forget(orthanc_id)
            self._queue.outdate(orthanc_id)

    def cancel(self, orthanc_id: str) -> None:
        """The instance is about to be purged: it waits no longer, and work on it ends and takes all back."""
        with self._changed:
            was_waiting = self._queue.cancel(orthanc_id)
            self._states.forget(orthanc_id)
            is_done = was_waiting and not self._queue.is_at_work(orthanc_id)
            if is_done:
                self._near.pop(orthanc_id, None)
        if is_done:
            self._dispatcher.publish(InstanceDone(orthanc_id))

    def withdraw(self, orthanc_id: str) -> None:
        """Nobody wants the instance warmed any more: it waits no longer, unless it waits for another reason too."""
        with self._changed:
            ticket = self._queue.waiting(orthanc_id)
            if ticket is None or ticket.priority != Priority.WARMED or ticket.step > 0:
                return
        self.cancel(orthanc_id)

    def state(self, orthanc_id: str) -> ExtractionState | None:
        """What became of an instance, as long as it is remembered."""
        return self._states.get(orthanc_id)

    def is_busy_with(self, orthanc_id: str) -> bool:
        """Whether the instance waits or is at work; else its state is what became of it."""
        with self._changed:
            return self._queue.knows(orthanc_id)

    def has_room(self) -> bool:
        """Whether the queue takes what is not new as well."""
        return len(self._queue) < self._longest_queue

    @property
    def queue_length(self) -> int:
        """Instances that wait."""
        return len(self._queue)

    @property
    def unfinished(self) -> int:
        """Instances that wait or are at work."""
        return len(self._near)

    @property
    def oldest_waiting(self) -> float:
        """Seconds that the one waits that came first; 0 where nothing waits."""
        return self._queue.oldest_waiting

    def at_work(self) -> list[Task]:
        """What is being extracted."""
        return self._queue.tasks()

    def asked_for(self, most: int) -> list[tuple[str, Priority]]:
        """Up to `most` instances that nobody else will ask for once more; what goes first comes first."""
        first = heapq.nsmallest(most, (ticket for ticket in self._queue.tickets() if ticket.is_asked_for))
        return [(ticket.orthanc_id, ticket.priority) for ticket in first]

    def failures(self) -> Mapping[str, str]:
        """The instances that failed, with their errors, as long as they are remembered."""
        return self._states.failures()

    def take(self, *, in_background: bool = False) -> Task | None:
        """For a worker: the next task, as soon as there is one; None once the scheduler is closed."""
        task = self._queue.take(in_background=in_background)
        if task is not None and task.ticket.step == 0:
            self._states.note(task.orthanc_id, ExtractionState("running"))
        return task

    def near(self, task: Task) -> int:
        """The number of the frame that is wanted first; a viewer may have scrolled elsewhere meanwhile."""
        return self._near.get(task.orthanc_id, 1)

    def must_end(self, task: Task) -> bool:
        """Whether its worker leaves it after the present block. What it wrote stays, unless it is cancelled."""
        return self._queue.is_closed or task.is_cancelled or self._queue.must_yield(task)

    def put_back(self, task: Task) -> ExtractionState:
        """Something better came: the blocks that were kept stay, and the others wait where these did."""
        self._queue.put_back(task)
        return ExtractionState("queued")

    def retry(self, task: Task, step: int, why: str) -> ExtractionState:
        """It could not be cached now, and may be a little later."""
        if task.ticket.attempt >= _MOST_ATTEMPTS - 1:
            return ExtractionState("skipped", why)
        self._queue.enter_again(task, step, task.ticket.attempt + 1)
        return ExtractionState("queued")

    def queue_next_form(self, task: Task) -> None:
        """One form of the instance is cached, and there is another."""
        self._queue.enter_again(task, task.ticket.step + 1)

    def finish(self, task: Task, state: ExtractionState) -> None:
        """What was interrupted by the stop is not done, nor whose next form or next version waits or is at work."""
        orthanc_id = task.orthanc_id
        with self._changed:
            self._queue.leave(task)
            self._states.note(orthanc_id, state)
            is_done, waiting = not self._queue.knows(orthanc_id), self._queue.waiting(orthanc_id)
            if is_done:
                self._near.pop(orthanc_id, None)
        if self._queue.is_closed:
            return
        self._dispatcher.publish(ExtractionStateChanged(task, state))
        if is_done:
            self._dispatcher.publish(InstanceDone(orthanc_id))
        elif waiting is not None and waiting.step > 0:
            self._dispatcher.publish(StoredFormCached(orthanc_id))

    def close(self) -> None:
        """Nothing is taken any more, and what is at work must end."""
        self._queue.close()


def _is_cached(entry: Entry, frame_number: int) -> bool:
    """Whether the frame is in the cache in the form in which the instance is kept first, or its place is known."""
    stored = stored_representation(entry.instance.transfer_syntax_uid) or EXPLICIT
    return entry.index is not None or (stored.transfer_syntax_uid, frame_number) in entry.blocks
