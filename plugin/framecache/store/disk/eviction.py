"""Eviction: whole instances, so that a viewer who scrolls never finds every third frame gone."""

from __future__ import annotations

from collections.abc import Callable

from framecache.store.disk.access_times import AccessTimes
from framecache.store.disk.pins import DiskPins
from framecache.store.disk.removal import Removal
from framecache.store.removal_cause import RemovalCause


class Eviction:
    """Removes instances, the least recently used first."""

    def __init__(self, access_times: AccessTimes, pins: DiskPins, removal: Removal) -> None:
        self._access_times, self._pins, self._removal = access_times, pins, removal

    def run(self, limit: int, orthanc_id: str, shortage: Callable[[], RemovalCause | None]) -> None:
        """Evict others than `orthanc_id` for as long as there is a `shortage`; pins are kept as `limit` allows."""
        for candidate in self._pins.evictable(self._access_times.least_recently_used(), limit):
            if (cause := shortage()) is None:
                return
            if candidate != orthanc_id:
                self._removal.of_instances(cause, [candidate])
