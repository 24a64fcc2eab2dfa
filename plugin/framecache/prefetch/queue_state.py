"""What waits because a viewer opened it, or as a prior, over a restart.

What has arrived is read again from Orthanc's log of changes, the backfill has its bookmark, and jobs end with Orthanc:
of the rest nobody but the line knows.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from framecache.dicom.identity import is_orthanc_id
from framecache.errors import reason
from framecache.plurals import counted
from framecache.prefetch.priority import Priority
from framecache.prefetch.related import RelatedNote, RelatedStudies, is_note
from framecache.prefetch.scheduler import Scheduler
from framecache.store.frame_store import FrameStore
from framecache.threads import make_way, start_thread

logger = logging.getLogger(__name__)

_NOTE = "asked for"
# How often it is written down; a crash loses what was asked for since.
_NOTE_SECONDS = 10.0
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
            told: Any = json.loads(text or "{}")
            instances = [(str(one), Priority[name]) for one, name in told["Instances"] if is_orthanc_id(one)]
            notes = [RelatedNote(what, one) for what, one in told["Notes"] if is_note(what) and is_orthanc_id(one)]
        except (ValueError, TypeError, KeyError, RecursionError):
            return cls()
        return cls(instances, notes)


class QueueState:
    """One thread that writes down what waits, and takes it up again at the next start."""

    def __init__(self, scheduler: Scheduler, related: RelatedStudies, store: FrameStore) -> None:
        self._scheduler, self._related, self._store = scheduler, related, store
        self._stopping, self._thread = threading.Event(), threading.Thread()
        self._written = ""

    def start(self) -> None:
        """Begin with what the last run left; the store has to be open for writing."""
        self._thread = start_thread("frame-cache-carry-over", self._work)

    def stop(self) -> None:
        """Write down what waits, before those end who work on it."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE)

    def _work(self) -> None:
        make_way()
        self._attempt(self._take_up)
        is_last = False
        while not is_last:
            is_last = self._stopping.wait(_NOTE_SECONDS)
            self._attempt(self._write)

    def _attempt(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - it is tried again with the next note
            logger.warning("saving the queue failed: %s", reason(error))

    def _take_up(self) -> None:
        self._written = self._store.note(_NOTE) or ""
        left = QueuedInstance.from_text(self._written)
        for note in left.notes:
            self._related.take_up(note)
        for orthanc_id, priority in left.instances:
            # The viewer who waited is answered, or gone.
            self._scheduler.submit(orthanc_id, max(priority, Priority.OPENED))
        if left.instances or left.notes:
            number = len(left.instances)
            logger.info("queued again what was pending when Orthanc stopped: %s", counted(number, "instance"))

    def _write(self) -> None:
        text = QueuedInstance(self._scheduler.asked_for(_MOST), self._related.waiting()).to_text()
        if text != self._written:
            self._store.remember(_NOTE, text)
            self._written = text
