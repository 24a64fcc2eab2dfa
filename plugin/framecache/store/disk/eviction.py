"""What leaves the store on disk: the least recently used first, and what outlived its lifetime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from framecache.store.disk.access_times import AccessTimes, OldRecord
from framecache.store.disk.pins import DiskPins
from framecache.store.disk.removal import Removal
from framecache.store.parts import RemovalCause


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


_ROUND_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long instances are cached after they were last viewed, in seconds; 0 is for ever.

    `of` says it of an instance by its record, which may be unreadable; none is shorter than `shortest`.
    """

    shortest: float = 0.0
    of: Callable[[bytes], float] = lambda _: 0.0

    @classmethod
    def of_all(cls, seconds: float) -> Lifetime:
        """The same for each."""
        return cls(seconds, lambda _: seconds)


class Expiry:
    """Goes through what is old enough to be looked at, and begins again after a while."""

    def __init__(
        self, access_times: AccessTimes, pins: DiskPins, removal: Removal, lifetime: Lifetime, batch: int
    ) -> None:
        """Each step looks at `batch` instances."""
        self._batch = batch
        self._access_times, self._pins, self._removal, self._lifetime = access_times, pins, removal, lifetime
        self._next_round, self._after = 0.0, 0

    def step(self, now: float) -> None:
        """The next few, at `now` in seconds since the epoch."""
        shortest = self._lifetime.shortest
        pause = min(shortest / 10, _ROUND_SECONDS)
        if not shortest or 0 < self._next_round - now <= pause:  # the clock may be set back
            return
        page = self._access_times.not_viewed_since(now - shortest, self._after, self._batch)
        self._after = page[-1].row if page else 0
        if not page:
            self._next_round = now + pause
        self._removal.of_instances("age", [old.orthanc_id for old in page if self._is_due(old, now)])

    def _is_due(self, old: OldRecord, now: float) -> bool:
        return 0 < self._lifetime.of(old.content) < now - old.viewed and not self._pins.is_pinned(old.key)
