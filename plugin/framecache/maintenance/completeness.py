"""Watches series that arrive until they are complete, and tells of those that are not after some time.

How many instances a series will have is what the instances themselves announce, as Orthanc reads it from tags such as
Images in Acquisition (0020,1002), or what the sender answers to a C-FIND, if the site wants that.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from framecache.bounded_dict import BoundedDict
from framecache.errors import FrameCacheError, NotFound, reason
from framecache.orthanc.hierarchy import Hierarchy, StoredSeries
from framecache.orthanc.senders import Senders
from framecache.ports import Clock
from framecache.telemetry.events import Events
from framecache.worker import Worker

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 5.0
# A sender is asked when a series has been coming for so long: before, it may not know itself.
_ASK_SECONDS = 15.0
# One that did not answer is left alone for so long.
_REST_SECONDS = 600.0
# A series is not waited for longer than so many times the time after which it is told of.
_PATIENCE = 10
_MOST_WATCHED, _MOST_ASKED = 5_000, 10_000
_MOST_AT_ONCE = 50


@dataclass(slots=True)
class _Watched:
    """A series that has been arriving since `since` (monotonic seconds), and is looked at again at `due`."""

    since: float
    due: float
    is_reported: bool = False


class Completeness:
    """One thread. At most 50 series are looked at every five seconds, and one sender is asked at a time."""

    def __init__(
        self,
        hierarchy: Hierarchy,
        senders: Senders | None,
        events: Events,
        clock: Clock,
        seconds: float,
        *,
        look_seconds: float = _LOOK_SECONDS,
        ask_seconds: float = _ASK_SECONDS,
    ) -> None:
        """A series that is incomplete after `seconds` is told of; 0: none is watched. None as `senders` asks nobody."""
        self._hierarchy, self._senders, self._events, self._clock = hierarchy, senders, events, clock
        self._seconds, self._look_seconds = seconds, look_seconds
        self._ask_seconds = min(ask_seconds, seconds)
        self._watched, self._lock = dict[str, _Watched](), threading.Lock()
        self._numbers = BoundedDict[str, int | None](_MOST_ASKED)
        self._resting = dict[str, float]()
        self._worker = Worker("completeness", self._look, task="watching incomplete series", retry_seconds=look_seconds)
        self.start, self.stop = self._worker.start, self._worker.stop

    def arrived(self, series_id: str) -> None:
        """The first instance of a series was stored. Returns at once."""
        now = self._clock.monotonic()
        with self._lock:
            if self._seconds and len(self._watched) < _MOST_WATCHED:
                self._watched.setdefault(series_id, _Watched(now, now + self._ask_seconds))

    @property
    def incomplete(self) -> int:
        """Series that are incomplete for too long now."""
        with self._lock:
            return sum(one.is_reported for one in self._watched.values())

    def expected(self, series: StoredSeries) -> int | None:
        """How many instances a series will have, as far as that is known. Asks nobody."""
        return self._numbers.get(series.orthanc_id) if series.expected is None else series.expected

    def _look(self) -> float:
        now = self._clock.monotonic()
        with self._lock:
            due = [(series_id, one) for series_id, one in self._watched.items() if one.due <= now][:_MOST_AT_ONCE]
        for series_id, watched in due:
            if self._worker.is_stopping or self._is_over(series_id, watched, now):
                with self._lock:
                    self._watched.pop(series_id, None)
            else:
                watched.due = self._next(watched, now)
        return self._look_seconds

    def _next(self, watched: _Watched, now: float) -> float:
        due = watched.since + self._seconds
        return due if now < due else now + self._seconds / 4

    def _is_over(self, series_id: str, watched: _Watched, now: float) -> bool:
        """Whether there is nothing left to wait for."""
        try:
            series = self._hierarchy.series(series_id)
        except NotFound:
            return True
        except FrameCacheError as error:  # the others are looked at all the same
            logger.info("series %s cannot be looked at: %s", series_id, reason(error))
            return now - watched.since >= _PATIENCE * self._seconds
        stored, expected = len(series.instance_ids), self._number(series, now)
        if expected is None or stored >= expected:
            if watched.is_reported and expected is not None:
                self._events.note("completed", "series", series_id, f"{stored} of {expected} instances")
            return True
        if now - watched.since >= self._seconds and not watched.is_reported:
            watched.is_reported = True
            self._events.note("incomplete", "series", series_id, f"{stored} of {expected} instances")
            logger.warning("series %s is incomplete: %d of %d instances", series_id, stored, expected)
        return now - watched.since >= _PATIENCE * self._seconds

    def _number(self, series: StoredSeries, now: float) -> int | None:
        if series.expected is not None or self._senders is None or series.orthanc_id in self._numbers:
            return self.expected(series)
        try:
            sender = self._senders.of(series)
            number = self._ask(self._senders, sender, series, now) if sender else None
        except FrameCacheError as error:
            logger.warning("no sender can be asked about a series: %s", reason(error))
            return None
        self._numbers[series.orthanc_id] = number
        return number

    def _ask(self, senders: Senders, sender: str, series: StoredSeries, now: float) -> int | None:
        if self._resting.get(sender, 0.0) > now:
            return None
        try:
            study = self._hierarchy.study_instance_uid(series.study_id)
            return senders.number_of_instances(sender, study, series)
        except FrameCacheError as error:
            self._resting[sender] = now + _REST_SECONDS
            logger.warning("sender %s does not say how many instances a series has: %s", sender, reason(error))
            return None
