"""Events as plain values, and the journal that keeps them until they are exported."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from framecache.telemetry.metrics import MissCause


class RequestRecord(NamedTuple):
    """A request on one of our routes; `groups` are the matched groups of the path's pattern, UIDs first.

    From `sending` on, Orthanc writes to the client. `found` is the header X-Frame-Cache, `cause` the cause of a miss.
    """

    method: str
    path: str
    groups: Sequence[str]
    traceparent: str
    tracestate: str
    began: float
    sending: float | None
    ended: float
    status: int | None
    length: int | None
    found: str | None
    cause: str | None


class StoredRecord(NamedTuple):
    """Orthanc reported a new instance."""

    orthanc_id: str
    at: float


class ExtractionRecord(NamedTuple):
    """One form of an instance waited from `queued` on, and was extracted from `began` to `ended`.

    `uids` are those of study, series and instance, as far as they were known.
    """

    orthanc_id: str
    uids: Sequence[str]
    queued: float
    began: float
    ended: float
    priority: str
    form: str
    state: str
    error: str | None
    frames: int
    length: int


class FinishedRecord(NamedTuple):
    """An instance has no work left."""

    orthanc_id: str


Record = RequestRecord | StoredRecord | ExtractionRecord | FinishedRecord

_KINDS: Mapping[str, type[Record]] = MappingProxyType(
    {kind.__name__: kind for kind in (RequestRecord, StoredRecord, ExtractionRecord, FinishedRecord)}
)


def pack(record: Record) -> bytes:
    """The record as one line."""
    return json.dumps([type(record).__name__, *record]).encode() + b"\n"


def unpack(line: bytes) -> Record:
    """The record of a line from `pack`. Raises ValueError, KeyError or TypeError for other lines."""
    kind, *values = json.loads(line)
    return _KINDS[kind](*values)


_MOST = 10_000


class Journal:
    """Records in order of arrival, at most `most` of them. Adding one takes less than a microsecond."""

    def __init__(self, most: int = _MOST) -> None:
        self._most, self._records = most, deque[Record]()
        self._causes: dict[int, MissCause] = {}
        self._dropped, self._lock = 0, threading.Lock()

    def note(self, record: Record) -> None:
        """Add a record, if there is room."""
        if len(self._records) < self._most:  # without a lock, a few more are possible
            self._records.append(record)
            return
        with self._lock:
            self._dropped += 1

    def missed(self, cause: MissCause) -> None:
        """The request on this thread is a miss."""
        self._causes[threading.get_ident()] = cause

    def cause(self) -> MissCause | None:
        """Return and forget the cause of the miss of the request on this thread."""
        return self._causes.pop(threading.get_ident(), None)

    def take(self) -> list[Record]:
        """Remove and return all records; for one thread only."""
        return [self._records.popleft() for _ in range(len(self._records))]

    def close(self) -> None:
        """Drop all records, and accept no more."""
        self._most = 0
        self._records.clear()

    def take_dropped(self) -> int:
        """The number of records dropped since the last call."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        return dropped
