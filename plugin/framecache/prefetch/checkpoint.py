"""How far Orthanc's log of changes was read, and which of its instances are pending."""

from __future__ import annotations

import threading

from framecache.dispatcher import Dispatcher
from framecache.prefetch.events import CheckpointHasRoom

# Beyond this the log is not read on: it waits in Orthanc's database, not in our memory.
_MOST_UNFINISHED = 5000
# An instance whose stored form is cached is warm: its small form, which takes seconds, holds up no new ones until there
# are so many in all. Each takes some hundred bytes here and in the queue.
_MOST_IN_ALL = 50_000
_HALF = 0.5


class Checkpoint:
    """New instances in the order of the log, each until its frames are cached or it is known that they will not be.

    All up to `finished` are done with: whoever begins there after a restart loses nothing. Publishes CheckpointHasRoom.
    """

    def __init__(
        self, dispatcher: Dispatcher, *, most_unfinished: int = _MOST_UNFINISHED, most_in_all: int = _MOST_IN_ALL
    ) -> None:
        """It is full with so many instances whose stored form is not cached yet, or so many in all."""
        self._dispatcher, self._most_unfinished, self._most_in_all = dispatcher, most_unfinished, most_in_all
        self._unfinished: dict[str, int] = {}
        self._kept: set[str] = set()
        self._read_up_to = 0
        self._is_full = False
        self._lock = threading.Lock()

    def begin(self, sequence: int) -> None:
        """Resume after change `sequence`; pending instances are kept."""
        with self._lock:
            self._read_up_to = sequence

    def add(self, sequence: int, orthanc_id: str) -> None:
        """An instance that is about to be queued. One that was stored again counts as the newer change."""
        with self._lock:
            self._remove(orthanc_id)
            self._unfinished[orthanc_id] = sequence

    def read(self, sequence: int) -> None:
        """The log has been read up to this change."""
        with self._lock:
            self._read_up_to = sequence

    def stored_form_cached(self, orthanc_id: str) -> None:
        """The stored form of the instance is cached, and only its small form is not."""
        with self._lock:
            self._kept |= {orthanc_id} & self._unfinished.keys()
        self._make_room()

    def done(self, orthanc_id: str) -> None:
        """The instance was cached, left out, or has failed."""
        with self._lock:
            self._remove(orthanc_id)
        self._make_room()

    def _remove(self, orthanc_id: str) -> None:
        self._unfinished.pop(orthanc_id, None)
        self._kept.discard(orthanc_id)

    def _make_room(self) -> None:
        with self._lock:
            has_room_again = self._is_full and self._load() <= _HALF
            self._is_full = self._is_full and not has_room_again
        if has_room_again:
            self._dispatcher.publish(CheckpointHasRoom())

    def _load(self) -> float:
        """The share of its capacity that is in use; 1.0 and more is full."""
        number = len(self._unfinished)
        return max((number - len(self._kept)) / self._most_unfinished, number / self._most_in_all)

    def has_room(self) -> bool:
        """Whether more may be read; once full, not before it is half empty."""
        with self._lock:
            self._is_full = self._is_full or self._load() >= 1
            return not self._is_full

    @property
    def read_up_to(self) -> int:
        """The change up to which the log was read."""
        return self._read_up_to

    @property
    def finished(self) -> int:
        """The change up to which no instance is pending."""
        with self._lock:
            first = next(iter(self._unfinished.values()), None)
            return self._read_up_to if first is None else min(self._read_up_to, first - 1)
