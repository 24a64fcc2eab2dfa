"""The last hour and the last day, in memory: differences of counters that go on counting, so that no request pays."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from framecache.ports import Clock
from framecache.telemetry.histogram import SERVING_BOUNDS, quantile


@dataclass(frozen=True, slots=True)
class Sums:
    """All that happened up to some moment: counters by event, and answers by the buckets of SERVING_BOUNDS."""

    counters: Mapping[str, int]
    latency: tuple[int, ...]

    def since(self, earlier: Sums | None) -> Sums:
        """What happened after `earlier`, all of it without one."""
        if earlier is None:
            return self
        counters = {event: count - earlier.counters.get(event, 0) for event, count in self.counters.items()}
        return Sums(counters, tuple(new - old for new, old in zip(self.latency, earlier.latency, strict=True)))

    def seconds(self, share: float) -> float | None:
        """The time within which `share` of the answers were ready; None without any."""
        return quantile(SERVING_BOUNDS, self.latency, share)


@dataclass(frozen=True, slots=True)
class Series:
    """Points of `seconds` each, oldest first, the last of them under way; `begin` in seconds since the epoch."""

    begin: float
    seconds: int
    points: tuple[Sums, ...]


class History:
    """The last periods of one length. Whoever reads or writes it keeps others out.

    Periods are of a clock that never goes back; `note` has to be called at the begin of each, or what happens meanwhile
    counts for the one before.
    """

    def __init__(self, seconds: int, periods: int, clock: Clock) -> None:
        self._seconds, self._periods, self._clock = seconds, periods, clock
        # Periods of the clock on the wall, as far as it is right at the start.
        self._shift = clock.time() - clock.monotonic()
        self._begun: deque[tuple[int, Sums]] = deque(maxlen=periods)

    def note(self, now: Sums) -> None:
        """Begin a period with these sums, if the last one is over."""
        period = self._period()
        if not self._begun or period > self._begun[-1][0]:
            self._begun.append((period, now))

    def series(self, now: Sums) -> Series:
        """Up to now; what lies before the start is empty."""
        self.note(now)
        last, position = self._period(), self._shift + self._clock.monotonic()
        begin = self._clock.time() - (position - (last - self._periods + 1) * self._seconds)
        points = [self._point(period, now) for period in range(last - self._periods + 1, last + 1)]
        return Series(begin, self._seconds, tuple(points))

    def _point(self, period: int, now: Sums) -> Sums:
        return self._sums_at(period + 1, now).since(self._sums_at(period, now))

    def _sums_at(self, period: int, now: Sums) -> Sums:
        """What there was when a period began; one that nobody noted began with the next one."""
        return next((sums for begun, sums in self._begun if begun >= period), now)

    def _period(self) -> int:
        return int((self._shift + self._clock.monotonic()) // self._seconds)
