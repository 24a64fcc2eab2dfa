"""What nobody asks for leaves the cache when its time has come, some instances each second, so that nobody waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from framecache.errors import SourceError
from framecache.orthanc.instance import Instance
from framecache.store.disk.pins import Pins
from framecache.store.disk.table import OldRecord, Removed, Table

_ROUND_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Stay:
    """How long instances are kept after they were last asked for, in seconds; 0 is for ever.

    `usual` is for those whose record cannot be read, `of` for all others, and none is shorter than `shortest`.
    """

    usual: float = 0.0
    shortest: float = 0.0
    of: Callable[[Instance], float] = lambda _: 0.0

    @classmethod
    def of_all(cls, seconds: float) -> Stay:
        """The same for each."""
        return cls(seconds, seconds, lambda _: seconds)


class Expiry:
    """Goes through what is old enough to be looked at, and begins again after a while."""

    def __init__(self, table: Table, pins: Pins, stay: Stay) -> None:
        self._table, self._pins, self._stay = table, pins, stay
        self._next_round, self._after = 0.0, 0

    def step(self, now: float) -> Removed:
        """The next few, at `now` in seconds since the epoch; what left."""
        pause = min(self._stay.shortest / 10, _ROUND_SECONDS)
        if not self._stay.shortest or 0 < self._next_round - now <= pause:  # the clock may be set back
            return Removed()
        page = self._table.not_asked_for_since(now - self._stay.shortest, self._after)
        self._after = page[-1].row if page else 0
        if not page:
            self._next_round = now + pause
        return self._table.remove_tagged([old.orthanc_id for old in page if self._is_due(old, now)])

    def _is_due(self, old: OldRecord, now: float) -> bool:
        seconds = self._seconds(old.content)
        return 0 < seconds < now - old.asked_at and not self._pins.is_pinned(old.key)

    def _seconds(self, content: bytes) -> float:
        try:
            return self._stay.of(Instance.from_json(content))
        except (SourceError, TypeError):
            return self._stay.usual
