"""Histograms of durations with fixed buckets: a request increments one, and quantiles are computed from all."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

# Seconds. An answer from the cache takes tenths of a millisecond, one from a codec up to seconds.
SERVING_BOUNDS = (
    *(0.0001, 0.00015, 0.0002, 0.0003, 0.0005, 0.0007, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.007),
    *(0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0),
)
EXTRACTION_BOUNDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)


class Histogram:
    """Counts values by the first bound that they do not exceed; the last count has values beyond all bounds."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds` must ascend."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count a value; callers must synchronize."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def reading(self) -> Reading:
        """The present counts."""
        return Reading(tuple(self.bounds), tuple(self.counts), self.total)


@dataclass(frozen=True, slots=True)
class Reading:
    """A histogram at one moment."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float

    @property
    def count(self) -> int:
        """The number of values."""
        return sum(self.counts)

    def quantile(self, share: float) -> float | None:
        """The value that `share` of all values do not exceed, interpolated within a bucket; None without values.

        Like Prometheus' histogram_quantile: a value beyond all bounds is reported as the last bound.
        """
        return quantile(self.bounds, self.counts, share)


def quantile(bounds: Sequence[float], counts: Sequence[int], share: float) -> float | None:
    """`Reading.quantile` for counts without their histogram."""
    rank, below = share * sum(counts), 0
    if not rank:
        return None
    lower = 0.0
    for upper, count in zip(bounds, counts, strict=False):
        if count and below + count >= rank:
            return lower + (upper - lower) * (rank - below) / count
        below, lower = below + count, upper
    return lower
