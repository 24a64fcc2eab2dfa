"""What waits because a viewer opened it, or as a prior, over a restart.

What has arrived is read again from Orthanc's log of changes, the backfill has its bookmark, and jobs end with Orthanc:
of the rest nobody but the line knows.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from framecache.orthanc.identifiers import is_orthanc_id
from framecache.plurals import counted
from framecache.prefetch.related import RelatedNote, RelatedStudies, is_note
from framecache.prefetch.scheduler import Scheduler
from framecache.prefetch.task import Priority
from framecache.store.parts import Notes
from framecache.worker import Worker

logger = logging.getLogger(__name__)

_NOTE = "asked for"
# How often the queue is saved; a crash loses what was asked for since.
_SAVE_SECONDS = 10.0
# Of an ID 46 bytes are written each time.
_MOST = 5000
_PATIENCE = 1.0


@dataclass(frozen=True, slots=True)
class QueuedInstance:
    """The Orthanc IDs of instances that wait, with their priorities, and what was not looked at yet."""

    instances: Sequence[tuple[str, Priority]] = ()
    notes: Sequence[RelatedNote] = ()

    def to_text(self) -> str:
        """As a note of the store."""
        instances = [(orthanc_id, priority.name) for orthanc_id, priority in self.instances]
        return json.dumps({"Instances": instances, "Notes": self.notes}, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str | None) -> Self:
        """The other way; what cannot be read is left out."""
        try:
            kept: Any = json.loads(text or "{}")
            instances = [(str(one), Priority[name]) for one, name in kept["Instances"] if is_orthanc_id(one)]
            notes = [RelatedNote(what, one) for what, one in kept["Notes"] if is_note(what) and is_orthanc_id(one)]
        except (ValueError, TypeError, KeyError, RecursionError):
            return cls()
        return cls(instances, notes)


class QueueState:
    """Saves the queue every few seconds, and restores it at the next start."""

    def __init__(
        self, scheduler: Scheduler, related: RelatedStudies, notes: Notes, save_seconds: float = _SAVE_SECONDS
    ) -> None:
        self._scheduler, self._related, self._notes = scheduler, related, notes
        self._written, self._seconds = "", save_seconds
        self._worker = Worker(
            "queue-state",
            self._save_again,
            begin=self._restore,
            end=self._save,
            task="saving the queue",
            retry_seconds=save_seconds,
        )

    def start(self) -> None:
        """Queue again what the last run left; the store has to be open for writing."""
        self._worker.start()

    def stop(self) -> None:
        """Save the queue once more, before those end who work on it."""
        self._worker.stop()
        self._worker.join(_PATIENCE)

    def _restore(self) -> None:
        self._written = self._notes.get(_NOTE) or ""
        left = QueuedInstance.from_text(self._written)
        for note in left.notes:
            self._related.take_up(note)
        for orthanc_id, priority in left.instances:
            # The viewer who waited is answered, or gone.
            self._scheduler.submit(orthanc_id, max(priority, Priority.OPENED))
        if left.instances or left.notes:
            number = len(left.instances)
            logger.info("queued again what was pending when Orthanc stopped: %s", counted(number, "instance"))

    def _save_again(self) -> float:
        self._save()
        return self._seconds

    def _save(self) -> None:
        text = QueuedInstance(self._scheduler.asked_for(_MOST), self._related.waiting()).to_text()
        if text != self._written:
            self._notes[_NOTE] = text
            self._written = text
