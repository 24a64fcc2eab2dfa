"""Instances that Orthanc announced by an event and that its log of changes has not shown."""

from __future__ import annotations

import threading
from collections.abc import Iterable

# Of each kind. What is forgotten beyond that is in the log, unless somebody empties it in the same moment.
_MOST = 10_000


class Announcements:
    """Matches events with the log. Whoever empties the log (`DELETE /changes`) takes new instances from it, too.

    An event comes a little after the log has the instance, so that either may be seen first.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most, self._lock = most, threading.Lock()
        self._announced, self._logged = dict[str, None](), dict[str, None]()
        self._number = 0

    def announce(self, orthanc_id: str) -> None:
        """An event said that this instance is new. Returns at once."""
        with self._lock:
            self._number += 1
            if orthanc_id in self._logged:
                del self._logged[orthanc_id]
            else:
                _add(self._announced, orthanc_id, self._most)

    def log(self, orthanc_ids: Iterable[str]) -> None:
        """The log showed these; instances of another Orthanc on the same database are never announced here."""
        with self._lock:
            for orthanc_id in orthanc_ids:
                if orthanc_id in self._announced:
                    del self._announced[orthanc_id]
                else:
                    _add(self._logged, orthanc_id, self._most)

    def waiting(self) -> list[str]:
        """Those that were announced and not logged yet, oldest first."""
        with self._lock:
            return list(self._announced)

    def take_missing(self, orthanc_ids: Iterable[str]) -> list[str]:
        """Those of `orthanc_ids` that the log has not shown since; they are no longer pending."""
        with self._lock:
            missing = [orthanc_id for orthanc_id in orthanc_ids if orthanc_id in self._announced]
            for orthanc_id in missing:
                del self._announced[orthanc_id]
            return missing

    @property
    def number(self) -> int:
        """How many were announced and not checked yet: see `looked_at`."""
        return self._number

    def looked_at(self, number: int) -> None:
        """So many of them were checked."""
        with self._lock:
            self._number -= number


def _add(to: dict[str, None], orthanc_id: str, most: int) -> None:
    """As the newest; the oldest beyond `most` is forgotten."""
    to[orthanc_id] = None
    if len(to) > most:
        del to[next(iter(to))]
