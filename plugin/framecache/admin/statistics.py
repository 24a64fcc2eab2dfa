"""GET /frame-cache/statistics: totals since the start, the present state, and the last hour and day."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, get_args

from framecache.admin.area import Answer, iso
from framecache.admin.measurements import Measurements, Present, WorkFigures
from framecache.errors import HandOverCause
from framecache.ports import Clock
from framecache.store.parts import RemovalCause
from framecache.telemetry.history import History, Series
from framecache.telemetry.metrics import CounterName, Metrics, MissCause

_SERIES: tuple[CounterName, ...] = (
    *("hits", "misses", "bypasses", "errors"),
    *("extracted_frames", "extracted_bytes", "evicted_instances"),
)


class Statistics:
    """The area of the figures on the page. `note` must be called at the start of each minute, at least."""

    def __init__(self, metrics: Metrics, measurements: Measurements, clock: Clock) -> None:
        self._metrics, self._measurements, self._clock = metrics, measurements, clock
        self._since = clock.time()
        self._hour, self._day = History(60, 60, clock), History(900, 96, clock)
        self._reading = threading.Lock()
        self.note()
        self.get_routes: Mapping[str, Answer] = {"statistics": self.statistics}
        self.post_routes: Mapping[str, Answer] = {}

    def note(self) -> None:
        """Begin a new period if the last one is over."""
        sums = self._metrics.sums()
        with self._reading:
            self._hour.note(sums)
            self._day.note(sums)

    def statistics(self) -> dict[str, Any]:
        """GET /frame-cache/statistics."""
        present, sums = self._measurements.take(), self._metrics.sums()
        with self._reading:
            hour, day = self._hour.series(sums), self._day.series(sums)
        return {
            "Now": iso(self._clock.time()),
            "Since": iso(self._since),
            "Cache": _cache(present),
            "Totals": self._totals(),
            "Queue": {
                "Length": present.queue_length,
                "OldestSeconds": round(present.oldest_waiting, 3),
                "AtWork": [_work(work, self._clock.monotonic()) for work in present.at_work],
            },
            "Latency": {"Median": _seconds(sums.seconds(0.5)), "P99": _seconds(sums.seconds(0.99))},
            "Hour": _series(hour),
            "Day": _series(day),
        }

    def _totals(self) -> dict[str, Any]:
        counters: dict[str, Any] = {_name(event): self._metrics[event] for event in sorted(get_args(CounterName))}
        counters["ExtractionSeconds"] = round(self._metrics.extraction().total, 3)
        counters["MissesByCause"] = by_cause(get_args(MissCause), self._metrics.causes("misses"))
        counters["BypassesByCause"] = by_cause(get_args(HandOverCause), self._metrics.causes("bypasses"))
        evictions = self._metrics.causes("evicted_instances")
        return {**counters, "EvictionsByCause": by_cause(get_args(RemovalCause), evictions)}


def _cache(present: Present) -> dict[str, int]:
    cache = present.cache
    return {
        "Bytes": cache.size,
        "MaximumBytes": present.maximum_size,
        "Studies": cache.usage.studies,
        "Series": cache.usage.series,
        "Instances": cache.usage.instances,
        "Frames": cache.usage.frames,
        "PinnedStudies": cache.pinned_studies,
        "Metadata": cache.metadata,
    }


def _work(work: WorkFigures, now: float) -> dict[str, Any]:
    return {
        "ID": work.orthanc_id,
        "Priority": work.priority.name.lower(),
        "NumberOfFrames": work.entry.instance.number_of_frames if work.entry else None,
        "CachedFrames": work.cached_frames,
        "Seconds": round(now - work.since, 3),
    }


def _series(series: Series) -> dict[str, Any]:
    counters = {_name(event): [point.counters[event] for point in series.points] for event in _SERIES}
    return {
        "Begin": iso(series.begin),
        "Seconds": series.seconds,
        **counters,
        "MedianSeconds": [_seconds(point.seconds(0.5)) for point in series.points],
        "P99Seconds": [_seconds(point.seconds(0.99)) for point in series.points],
    }


def by_cause(causes: tuple[str, ...], counted: Mapping[str, int]) -> dict[str, int]:
    """The count of each of `causes`, 0 included, under its name in JSON."""
    return {_name(cause): counted.get(cause, 0) for cause in causes}


def _name(word: str) -> str:
    """The name in JSON: EvictedBytes for evicted_bytes."""
    return "".join(part.capitalize() for part in word.split("_"))


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
