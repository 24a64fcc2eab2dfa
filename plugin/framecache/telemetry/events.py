"""The latest events, numbered and in memory, for pages and scripts that follow them."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Literal, NamedTuple

from framecache.ports import Clock

Kind = Literal[
    "cached",
    "failed",
    "evicted",
    "purged",
    "pinned",
    "unpinned",
    "deleted",
    "degraded",
    "recovered",
    "job",
    "incomplete",
    "completed",
]
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Event:
    """An event at `time` (seconds since the epoch) of the resource with this Orthanc ID, or of the whole cache."""

    sequence: int
    time: float
    kind: Kind
    level: str | None
    orthanc_id: str | None
    text: str


class Events:
    """A bounded list. Adding an event takes about a microsecond; writers never wait for readers."""

    def __init__(self, clock: Clock, most: int = _MOST) -> None:
        """Keep the latest `most` events."""
        self._clock, self._events, self._lock = clock, deque[Event](maxlen=most), threading.Lock()
        self._last = 0

    def note(self, kind: Kind, level: str | None = None, orthanc_id: str | None = None, text: str = "") -> None:
        """Add an event of a resource: `level` is "studies", "series" or "instances"."""
        with self._lock:
            self._last += 1
            self._events.append(Event(self._last, self._clock.time(), kind, level, orthanc_id, text))

    def since(self, sequence: int, limit: int) -> EventPage:
        """The next `limit` events after `sequence`."""
        with self._lock:
            events, last = list(self._events), self._last
        kept_from = last - len(events)
        # A number that is too large comes from an earlier run, which also counted from 1.
        start = 0 if sequence > last else max(0, sequence - kept_from)
        page = events[start : start + limit]
        is_gap = not kept_from <= sequence <= last
        return EventPage(page, page[-1].sequence if page else last, start + limit >= len(events), is_gap)


class EventPage(NamedTuple):
    """Events, the number to resume after, whether these are all, and whether older ones were dropped before them."""

    events: list[Event]
    last: int
    is_end: bool
    is_gap: bool
