"""What will probably be asked for next: the rest of what a viewer has opened, and a patient's earlier studies."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeGuard, get_args

from framecache.batches import batches
from framecache.bounded_dict import BoundedDict
from framecache.config.settings import Extent
from framecache.instances.entry import Entry
from framecache.orthanc.studies import Studies
from framecache.ports import Clock
from framecache.prefetch.admission import Admission
from framecache.prefetch.scheduler import Scheduler
from framecache.prefetch.task import Priority
from framecache.worker import Worker

_BATCH = 200
# Notes that wait, and notes that were dealt with: the same one comes with every frame that a viewer waits for.
_MOST_NOTES = 1000
_REMEMBERED_SECONDS = 300.0
# A new study is looked at when its other series, and so its modalities, are there as well.
_SETTLING_SECONDS = 5.0


_What = Literal["series", "study", "priors"]


class RelatedNote(NamedTuple):
    """What is wanted: the rest of the series or study of the instance `orthanc_id`, or the priors of that study."""

    what: _What
    orthanc_id: str


def is_note(what: object) -> TypeGuard[_What]:
    """Whether there is a note of that kind."""
    return what in get_args(_What)


class RelatedStudies:
    """One thread; requests and the change feed only leave notes for it, which are bounded: the oldest go first."""

    def __init__(
        self,
        studies: Studies,
        admission: Admission,
        scheduler: Scheduler,
        clock: Clock,
        *,
        opens: Extent = "instance",
        priors: int = 0,
        same_modality: bool = True,
        most_notes: int = _MOST_NOTES,
    ) -> None:
        """`opens` says what is cached with an instance that a viewer opens, `priors` how many earlier studies are.

        Beyond `most_notes` the oldest go.
        """
        self._studies, self._admission, self._scheduler, self._clock = studies, admission, scheduler, clock
        self._opens, self._priors, self._same_modality = opens, priors, same_modality
        self._notes = BoundedDict[str, tuple[float, RelatedNote]](most_notes)
        self._known = BoundedDict[str, float](most_notes)
        self._lock = threading.Lock()
        self._worker = Worker("related", self.turn, task="finding related instances", level=logging.INFO)
        self.start, self.stop = self._worker.start, self._worker.stop

    def opened(self, entry: Entry) -> None:
        """A viewer waits for a frame of this instance. Returns at once."""
        path, orthanc_id = entry.instance.path, entry.instance.orthanc_id
        if self._opens == "series":
            self._leave(path.series_instance_uid, 0.0, RelatedNote("series", orthanc_id))
        elif self._opens == "study":
            self._leave(path.study_instance_uid, 0.0, RelatedNote("study", orthanc_id))

    def study_arrived(self, study_id: str) -> None:
        """The first instance of a study has arrived. Returns at once."""
        if self._priors:
            self._leave(study_id, _SETTLING_SECONDS, RelatedNote("priors", study_id))

    def waiting(self) -> list[RelatedNote]:
        """What was not looked at to its end yet."""
        with self._lock:
            return [note for _, note in self._notes.values()]

    def take_up(self, note: RelatedNote) -> None:
        """One that waited when the last run ended."""
        self._leave(note.orthanc_id, 0.0, note)

    def _leave(self, key: str, delay: float, note: RelatedNote) -> None:
        now = self._clock.monotonic()
        with self._lock:
            if now - self._known.get(key, -_REMEMBERED_SECONDS) < _REMEMBERED_SECONDS:
                return
            self._known.pop(key, None)
            self._known[key] = now
            self._notes[key] = now + delay, note
        self._worker.wake()

    def turn(self) -> float | None:
        """Look at the first note whose time has come; else the seconds until then, None without a note.

        What is opened does not wait for what settles.
        """
        with self._lock:
            key = min(self._notes, key=lambda one: self._notes[one][0], default=None)
            if key is None:
                return None
            due, note = self._notes[key]
        seconds = due - self._clock.monotonic()
        if seconds > 0:
            return seconds
        try:
            self._look_at(note)
        finally:
            self._done(key)
        return 0.0

    def _look_at(self, note: RelatedNote) -> None:
        if note.what == "priors":
            self._warm_priors(note.orthanc_id)
        else:
            self._open(note.orthanc_id, note.what)

    def _done(self, key: str) -> None:
        """Only now: who ends meanwhile has to look at it again."""
        with self._lock:
            self._notes.pop(key, None)

    def _open(self, orthanc_id: str, level: Literal["series", "study"]) -> None:
        others = [one for one in self._studies.related(orthanc_id, level) if one != orthanc_id]
        self._queue(others, Priority.OPENED)

    def _warm_priors(self, study_id: str) -> None:
        for prior in self._studies.priors(study_id, self._priors, same_modality=self._same_modality):
            self._queue(self._studies.instances(prior.orthanc_id), Priority.PRIOR)

    def _queue(self, instances: Sequence[str], priority: Priority) -> None:
        for some in batches(instances, _BATCH):
            for found, _ in self._admission.admit(some, on_demand=priority == Priority.OPENED):
                self._scheduler.submit(found.orthanc_id, priority)
