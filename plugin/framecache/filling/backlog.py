"""What was taken from Orthanc's log of changes and is not done with yet."""

from __future__ import annotations

import threading
from collections.abc import Callable

# Beyond this the log is not read on: it waits in Orthanc's database, not in our memory.
_MOST_UNFINISHED = 5000


class Backlog:
    """New instances in the order of the log, each until its frames are cached or it is known that they will not be.

    All up to `finished` are done with: whoever begins there after a restart loses nothing.
    """

    def __init__(self, on_room: Callable[[], None] = lambda: None) -> None:
        """`on_room` is called when a full backlog has become half empty."""
        self._unfinished: dict[str, int] = {}
        self._read_up_to = 0
        self._is_full = False
        self._lock = threading.Lock()
        self.on_room = on_room

    def begin(self, sequence: int) -> None:
        """Begin behind the change of that number; what is unfinished stays."""
        with self._lock:
            self._read_up_to = sequence

    def add(self, sequence: int, orthanc_id: str) -> None:
        """An instance that is about to be queued. One that was stored again counts as the newer change."""
        with self._lock:
            self._unfinished.pop(orthanc_id, None)
            self._unfinished[orthanc_id] = sequence

    def read(self, sequence: int) -> None:
        """The log has been read up to this change."""
        with self._lock:
            self._read_up_to = sequence

    def done(self, orthanc_id: str) -> None:
        """The instance was cached, left out, or has failed."""
        with self._lock:
            self._unfinished.pop(orthanc_id, None)
            has_room_again = self._is_full and len(self._unfinished) <= _MOST_UNFINISHED // 2
            self._is_full = self._is_full and not has_room_again
        if has_room_again:
            self.on_room()

    def has_room(self) -> bool:
        """Whether more may be read; once full, not before half of it is done."""
        with self._lock:
            self._is_full = self._is_full or len(self._unfinished) >= _MOST_UNFINISHED
            return not self._is_full

    @property
    def read_up_to(self) -> int:
        """The change up to which the log was read."""
        return self._read_up_to

    @property
    def finished(self) -> int:
        """The change up to which nothing is left to do."""
        with self._lock:
            first = next(iter(self._unfinished.values()), None)
            return self._read_up_to if first is None else min(self._read_up_to, first - 1)
