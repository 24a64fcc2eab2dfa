"""One measured figure, and what is computed from several."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.load import Load


@dataclass(frozen=True)
class Figure:
    """`value` is what is compared, in `unit`; `median` and `p99` are of one request, in seconds.

    `raw` keeps what it was computed from.
    """

    value: float
    unit: str
    median: float | None = None
    p99: float | None = None
    errors: int = 0
    raw: dict[str, object] = field(default_factory=dict)


def percentile(samples: Sequence[float], percent: float) -> float:
    """By the nearest rank: the smallest sample that so many per cent of the samples do not exceed."""
    if not samples:
        raise ValueError("no samples")
    return sorted(samples)[max(0, math.ceil(percent / 100 * len(samples)) - 1)]


def of_seconds(samples: Sequence[float]) -> Figure:
    """Single requests: their median is compared."""
    median = statistics.median(samples)
    return Figure(median, "s", median, percentile(samples, 99), raw={"seconds": list(samples)})


def of_load(load: Load) -> Figure:
    """wrk's: requests a second are compared."""
    return Figure(
        load.requests_per_second, "requests/s", load.median, load.p99, load.errors, raw={"loads": [vars(load)]}
    )


def of_rounds(figures: Sequence[Figure]) -> Figure:
    """The same measured several times: medians of medians, and all raw values."""
    if len(figures) == 1:
        return figures[0]
    return Figure(
        statistics.median(figure.value for figure in figures),
        figures[0].unit,
        _median([figure.median for figure in figures]),
        _median([figure.p99 for figure in figures]),
        sum(figure.errors for figure in figures),
        {"rounds": [{"value": figure.value, **figure.raw} for figure in figures]},
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
