"""The counters. A request takes one lock once, for a few additions."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Literal, get_args

from framecache.errors import HandOverCause
from framecache.telemetry.histogram import EXTRACTION_BOUNDS, SERVING_BOUNDS, Histogram, Reading
from framecache.telemetry.history import Sums

_Bucket = Literal["bucket_reads", "bucket_bytes", "bucket_faults"]
_Archive = Literal[
    "archive_written",
    "archive_skipped",
    "archive_deleted",
    "archive_dropped",
    "archive_reads",
    "archive_bytes",
    "archive_faults",
]
Counted = Literal[
    "errors",
    "overloaded",
    "damaged_blocks",
    "extracted_instances",
    "failed_extractions",
    "dropped_from_queue",
    _Bucket,
    _Archive,
]
# All readable counters: also those derived from answers, extracted instances and removed rows.
Found = Literal["hits", "misses", "bypasses", "not_modified"]
CounterName = Literal[Counted, Found, "extracted_frames", "extracted_bytes", "evicted_instances", "evicted_bytes"]
# Why a frame did not come from the cache: it was not in it; its instance is queued; its extraction failed; the settings
# exclude it; it is cached in another form than the requested one; its block was damaged; its block was evicted.
MissCause = Literal["not_cached", "queued", "failed", "left_out", "other_form", "damaged", "evicted"]
Route = Literal["frames", "rendered", "instance", "metadata"]
# "file" and "core" apply to whole instances: sent from the stored file, or read through Orthanc.
Outcome = Literal["hit", "miss", "not_modified", "file", "core"]

_FROM_CACHE: tuple[Route, ...] = ("frames", "rendered")


def possible_outcomes() -> Iterator[tuple[Route, Outcome]]:
    """Each route with its possible outcomes."""
    for route in (*_FROM_CACHE, "metadata"):
        yield from ((route, "hit"), (route, "miss"), (route, "not_modified"))
    yield from (("instance", "file"), ("instance", "core"), ("instance", "not_modified"))


class Metrics:
    """One lock for all counters, as Python's += is not atomic; it takes 0.1 µs without contention."""

    def __init__(self, on_missed: Callable[[MissCause], None] = lambda _: None) -> None:
        """`on_missed` receives the cause of each miss, on the thread of its request."""
        self._on_missed = on_missed
        self._counter: Counter[str] = Counter()
        self._causes: dict[str, Counter[str]] = {}
        self._serving = {kind: Histogram(SERVING_BOUNDS) for kind in possible_outcomes()}
        self._extraction = Histogram(EXTRACTION_BOUNDS)
        self._lock = threading.Lock()

    def count(self, event: Counted, amount: int = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self._counter[event] += amount

    def served(self, route: Route, outcome: Outcome, seconds: float) -> None:
        """An answer of this kind was ready after `seconds`, without the time to send it."""
        histogram, bucket = self._serving[route, outcome], bisect_left(SERVING_BOUNDS, seconds)
        with self._lock:  # not Histogram.add: a call costs as much as all else here
            histogram.counts[bucket] += 1
            histogram.total += seconds

    def missed(self, cause: MissCause) -> None:
        """An answer did not come from the cache."""
        with self._lock:
            self._add("misses", 1, cause)
        self._on_missed(cause)

    def handed_over(self, cause: HandOverCause) -> None:
        """A request was handed over to the stock DICOMweb plugin."""
        with self._lock:
            self._add("bypasses", 1, cause)

    def extracted(self, frames: int, size: int, seconds: float) -> None:
        """One form of an instance was extracted and cached, `size` bytes."""
        with self._lock:
            self._counter["extracted_frames"] += frames
            self._counter["extracted_bytes"] += size
            self._extraction.add(seconds)

    def removed(self, cause: str, instances: int, size: int) -> None:
        """All or some of what was cached of `instances` was removed, `size` bytes."""
        with self._lock:
            self._add("evicted_instances", instances, cause)
            self._add("evicted_bytes", size, cause)

    def _add(self, event: CounterName, amount: int, cause: str) -> None:
        self._counter[event] += amount
        self._causes.setdefault(event, Counter())[cause] += amount

    def __getitem__(self, event: CounterName) -> int:
        if event == "hits":  # derived from the histograms, as each request is in one of them
            return sum(self._served(route, "hit") + self._served(route, "not_modified") for route in _FROM_CACHE)
        if event == "not_modified":
            return sum(self._served(route, "not_modified") for route in get_args(Route))
        return self._counter[event]

    def causes(self, event: CounterName) -> Mapping[str, int]:
        """A counter by cause; empty if it has no causes."""
        with self._lock:
            return dict(self._causes.get(event, {}))

    def serving(self) -> dict[tuple[Route, Outcome], Reading]:
        """The durations of answers, by route and outcome."""
        with self._lock:
            return {kind: histogram.reading() for kind, histogram in self._serving.items()}

    def extraction(self) -> Reading:
        """The durations of extracting one form of an instance."""
        with self._lock:
            return self._extraction.reading()

    def sums(self) -> Sums:
        """The totals for the history."""
        latency = [0] * (len(SERVING_BOUNDS) + 1)
        for (route, _), reading in self.serving().items():
            if route in _FROM_CACHE:
                latency = [sum(pair) for pair in zip(latency, reading.counts, strict=True)]
        return Sums({event: self[event] for event in get_args(CounterName)}, tuple(latency))

    def _served(self, route: Route, outcome: Outcome) -> int:
        return sum(self._serving[route, outcome].counts)
