"""The last hour and the last day, in memory, as differences of counters: this costs requests nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from framecache.ports import Clock
from framecache.telemetry.histogram import SERVING_BOUNDS, quantile


@dataclass(frozen=True, slots=True)
class Sums:
    """Totals up to one moment: counters by event, and answers by the buckets of SERVING_BOUNDS."""

    counters: Mapping[str, int]
    latency: tuple[int, ...]

    def since(self, earlier: Sums | None) -> Sums:
        """The difference to `earlier`; everything if it is None."""
        if earlier is None:
            return self
        counters = {event: count - earlier.counters.get(event, 0) for event, count in self.counters.items()}
        return Sums(counters, tuple(new - old for new, old in zip(self.latency, earlier.latency, strict=True)))

    def seconds(self, share: float) -> float | None:
        """The seconds within which `share` of the answers were ready; None without answers."""
        return quantile(SERVING_BOUNDS, self.latency, share)


@dataclass(frozen=True, slots=True)
class Series:
    """Points of `seconds` each, oldest first; the last one is incomplete. `begin` is in seconds since the epoch."""

    begin: float
    seconds: int
    points: tuple[Sums, ...]


class History:
    """The last periods of one length. Callers must synchronize.

    Periods follow a clock that never goes back. `note` must be called at the start of each; until then, events count
    for the previous period.
    """

    def __init__(self, seconds: int, periods: int, clock: Clock) -> None:
        self._seconds, self._periods, self._clock = seconds, periods, clock
        # Aligns periods with the wall clock, as it was at the start.
        self._shift = clock.time() - clock.monotonic()
        self._begun: deque[tuple[int, Sums]] = deque(maxlen=periods)

    def note(self, now: Sums) -> None:
        """Begin a period with these sums, if the last one is over."""
        period = self._period()
        if not self._begun or period > self._begun[-1][0]:
            self._begun.append((period, now))

    def series(self, now: Sums) -> Series:
        """The series up to now; points before the start are empty."""
        self.note(now)
        last, position = self._period(), self._shift + self._clock.monotonic()
        begin = self._clock.time() - (position - (last - self._periods + 1) * self._seconds)
        points = [self._point(period, now) for period in range(last - self._periods + 1, last + 1)]
        return Series(begin, self._seconds, tuple(points))

    def _point(self, period: int, now: Sums) -> Sums:
        return self._sums_at(period + 1, now).since(self._sums_at(period, now))

    def _sums_at(self, period: int, now: Sums) -> Sums:
        """The totals at the start of a period; a period without a note starts with the next one."""
        return next((sums for begun, sums in self._begun if begun >= period), now)

    def _period(self) -> int:
        return int((self._shift + self._clock.monotonic()) // self._seconds)
