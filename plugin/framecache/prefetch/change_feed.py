"""Reads new instances from Orthanc's log of changes, and submits those that the rules admit to the scheduler.

Orthanc's events say that there is something to read, and name what somebody may have taken out of the log since. So a
burst waits in Orthanc's database, what another Orthanc stored in the same database is seen as well, and whoever starts
again reads on where work was left.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence

from framecache.batches import batches
from framecache.dispatcher import Dispatcher
from framecache.errors import FrameCacheError
from framecache.orthanc.changes import Changes
from framecache.ports import OrthancApi
from framecache.prefetch.admission import Admission
from framecache.prefetch.announcements import Announcements
from framecache.prefetch.checkpoint import Checkpoint
from framecache.prefetch.events import InstancesDescribed, InstancesLogged, SeriesArrived, StudyArrived
from framecache.prefetch.late_changes import LateChanges
from framecache.prefetch.scheduler import Scheduler
from framecache.prefetch.task import ARRIVALS, Priority
from framecache.store.parts import Notes
from framecache.telemetry.metrics import Metrics
from framecache.worker import Worker

logger = logging.getLogger(__name__)

_NOTE = "changes"
_BATCH = 200
# How often the log is read without an event: another Orthanc may have written to the database.
_POLL_SECONDS = 10.0
# How often the checkpoint is saved; after a crash so much is checked once more.
_SAVE_SECONDS = 1.0
# A single instance is checked as soon as it comes. In a burst the events of so many seconds are read together: each
# question costs Orthanc's database as much as an instance that it could have stored.
_GATHER_SECONDS = 0.5
# The most changes that one new instance makes: patient, study, series, and itself.
_CHANGES_OF_AN_INSTANCE = 4
# The first start looks for the log's end until no event comes for a moment: events come a little after the log has it.
_LOOKS, _SETTLE_SECONDS = 10, 0.3


class ChangeFeed:
    """One thread; one question to Orthanc for up to 200 new instances."""

    def __init__(
        self,
        api: OrthancApi,
        scheduler: Scheduler,
        checkpoint: Checkpoint,
        notes: Notes,
        metrics: Metrics,
        admission: Admission,
        dispatcher: Dispatcher,
        *,
        poll_seconds: float = _POLL_SECONDS,
        save_seconds: float = _SAVE_SECONDS,
        gather_seconds: float = _GATHER_SECONDS,
    ) -> None:
        self._dispatcher = dispatcher
        self._changes, self._scheduler, self._checkpoint = Changes(api), scheduler, checkpoint
        self._notes, self._metrics, self._admission = notes, metrics, admission
        self._announcements, self._late = Announcements(), LateChanges(self._changes, poll_seconds)
        self._has_begun, self._saved = False, -1
        self._poll_seconds, self._save_seconds = poll_seconds, save_seconds
        self._worker = Worker(
            "change-feed",
            self._turn,
            task="checking new instances",
            on_error=lambda _: metrics.count("errors"),
            retry_seconds=poll_seconds,
            rest_seconds=gather_seconds,
        )
        # What is pending at the end is read again at the next start.
        self.start, self.stop = self._worker.start, self._worker.stop

    def arrived(self, orthanc_id: str) -> None:
        """An instance was stored. Returns at once: Orthanc's events wait for each other."""
        self._announcements.announce(orthanc_id)
        self._worker.wake()

    def read_on(self) -> None:
        """The checkpoint has room again. Returns at once."""
        self._worker.wake()

    @property
    def queue_length(self) -> int:
        """Instances that Orthanc announced and that were not checked yet."""
        return self._announcements.number

    def _turn(self) -> float:
        self._has_begun = self._has_begun or self._begin()
        self._read_on()
        self._save()
        is_idle = self._saved == self._checkpoint.read_up_to
        return self._poll_seconds if is_idle else self._save_seconds

    def _complain(self, error: Exception) -> None:
        self._metrics.count("errors")
        logger.warning("checking new instances failed: %s", error)

    def _begin(self) -> bool:
        """Resume where the last run ended; the first one begins with what arrives from now on."""
        with contextlib.suppress(TypeError, ValueError):
            self._begin_after(int(self._notes.get(_NOTE) or ""))
            return True
        for _ in range(_LOOKS):
            announced, last = self._announcements.number, self._changes.last()
            self._worker.pause(_SETTLE_SECONDS)
            if self._announcements.number == announced:
                break  # else an instance may be in the log already whose event came only now
        self._begin_after(max(0, last - announced * _CHANGES_OF_AN_INSTANCE))
        return True

    def _begin_after(self, sequence: int) -> None:
        self._checkpoint.begin(sequence)
        self._late.begin(sequence)

    def _read_on(self) -> None:
        """Read up to the end of the log, or until the checkpoint is full."""
        announced, waiting = self._announcements.number, self._announcements.waiting()
        while self._checkpoint.has_room() and not self._worker.is_stopping:
            page = self._changes.page(self._checkpoint.read_up_to)
            if page.last < self._checkpoint.read_up_to:
                logger.warning("Orthanc's database is older than at the last start: resuming at its last change")
                self._late.begin(page.last)
            else:
                self._late.saw(page)
                self._take_in(page.new_instances)
            for study_id in page.new_studies:
                self._dispatcher.publish(StudyArrived(study_id))
            for series_id in page.new_series:
                self._dispatcher.publish(SeriesArrived(series_id))
            self._checkpoint.read(page.last)
            if page.is_end:
                self._take_in(self._late.find(page.last))
                self._admit_missing(self._announcements.take_missing(waiting), page.last)
                self._announcements.looked_at(announced)
                return

    def _take_in(self, new_instances: Sequence[tuple[int, str]]) -> None:
        orthanc_ids = [orthanc_id for _, orthanc_id in new_instances]
        self._announcements.log(orthanc_ids)
        self._admit(new_instances)
        if orthanc_ids:
            self._dispatcher.publish(InstancesLogged(orthanc_ids))

    def _admit_missing(self, orthanc_ids: Sequence[str], sequence: int) -> None:
        """What was announced before the log was read to its end, and is not in it: deleted, or the log was emptied."""
        for batch in batches(orthanc_ids, _BATCH):
            self._admit([(sequence, orthanc_id) for orthanc_id in batch])

    def _save(self) -> None:
        finished = self._checkpoint.finished
        if finished != self._saved:
            self._notes[_NOTE] = str(finished)
            self._saved = finished

    def _admit(self, new_instances: Sequence[tuple[int, str]]) -> None:
        if new_instances:
            priorities = self._priorities([orthanc_id for _, orthanc_id in new_instances])
            for sequence, orthanc_id in new_instances:
                if orthanc_id in priorities:
                    self._checkpoint.add(sequence, orthanc_id)
                    self._scheduler.submit(orthanc_id, priorities[orthanc_id])

    def _priorities(self, orthanc_ids: Sequence[str]) -> Mapping[str, Priority]:
        """The priority of each that the rules admit."""
        try:
            described = list(self._admission.describe(orthanc_ids))
            self._dispatcher.publish(InstancesDescribed(described))
            return {one.orthanc_id: ARRIVALS[turn] for one, turn in self._admission.choose(described)}
        except FrameCacheError as error:
            self._complain(error)
            return dict.fromkeys(orthanc_ids, Priority.ARRIVED)  # each is decided by itself when its turn comes
