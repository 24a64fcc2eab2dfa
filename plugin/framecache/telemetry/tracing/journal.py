"""Where Orthanc's threads leave what is to be traced: nobody waits, and what does not fit is counted."""

from __future__ import annotations

import threading
from collections import deque

from framecache.telemetry.metrics import MissCause
from framecache.telemetry.tracing.records import Record

_MOST = 10_000


class Journal:
    """Records in the order in which they came, at most `most` of them. A note costs less than a microsecond."""

    def __init__(self, most: int = _MOST) -> None:
        self._most, self._records = most, deque[Record]()
        self._causes: dict[int, MissCause] = {}
        self._dropped, self._lock = 0, threading.Lock()

    def note(self, record: Record) -> None:
        """Take a record, if there is room."""
        if len(self._records) < self._most:  # without a lock there may be some more
            self._records.append(record)
            return
        with self._lock:
            self._dropped += 1

    def missed(self, cause: MissCause) -> None:
        """The request on this thread is a miss."""
        self._causes[threading.get_ident()] = cause

    def cause(self) -> MissCause | None:
        """Why the request on this thread was a miss, told once."""
        return self._causes.pop(threading.get_ident(), None)

    def take(self) -> list[Record]:
        """All that is there now; for one thread only."""
        return [self._records.popleft() for _ in range(len(self._records))]

    def close(self) -> None:
        """Nobody takes anything any more."""
        self._most = 0
        self._records.clear()

    def take_dropped(self) -> int:
        """How many records found no room since this was asked last."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        return dropped
