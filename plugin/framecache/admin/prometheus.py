"""GET /frame-cache/metrics: the metrics and their names, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Literal, get_args

from framecache import __version__
from framecache.admin.area import Answer, Content
from framecache.admin.measurements import Measurements, Present
from framecache.errors import HandOverCause
from framecache.ports import OrthancModule
from framecache.prefetch.cluster_figures import KINDS, ClusterFigures, PieceCounts
from framecache.store.parts import RemovalCause
from framecache.telemetry.histogram import Reading
from framecache.telemetry.metrics import CounterName, Metrics, MissCause

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Sample:
    """One value. `suffix` follows the family's name, for example _bucket."""

    value: float
    labels: Mapping[str, str]
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """The samples of one metric, with its type and help text."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    samples: Sequence[Sample]


def single(value: float) -> list[Sample]:
    """One value without labels."""
    return [Sample(value, {})]


def histogram(reading: Reading, labels: Mapping[str, str]) -> Iterator[Sample]:
    """A histogram's samples: each bucket counts all values up to its bound."""
    bounds = [*map(_number, reading.bounds), "+Inf"]
    for bound, count in zip(bounds, accumulate(reading.counts), strict=True):
        yield Sample(count, {**labels, "le": bound}, "_bucket")
    yield Sample(reading.total, labels, "_sum")
    yield Sample(reading.count, labels, "_count")


def text(families: Iterable[Family]) -> str:
    """The whole answer to a scrape."""
    return "".join(line + "\n" for family in families for line in _lines(family))


def series_name(family: Family, sample: Sample) -> str:
    """The name of a sample with its labels."""
    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels.items())
    return f"{family.name}{sample.suffix}{{{labels}}}" if labels else f"{family.name}{sample.suffix}"


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {family.meaning}"
    yield f"# TYPE {family.name} {family.kind}"
    for sample in family.samples:
        yield f"{series_name(family, sample)} {_number(sample.value)}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


_COUNTERS: Mapping[CounterName, tuple[str, str]] = {
    "errors": ("errors", "Internal errors of the plugin."),
    "overloaded": ("overloaded", "Requests answered with 503: too many bytes were in flight."),
    "damaged_blocks": ("damaged_blocks", "Damaged blocks that were dropped."),
    "extracted_instances": ("extracted_instances", "Instances extracted."),
    "extracted_frames": ("extracted_frames", "Frames written to the cache."),
    "extracted_bytes": ("extracted_bytes", "Bytes written to the cache."),
    "failed_extractions": ("failed_extractions", "Instances that could not be extracted."),
    "dropped_from_queue": ("dropped_from_queue", "Instances dropped because the queue was full."),
    "archive_written": ("archive_written", "Instances written to the archive."),
    "archive_skipped": ("archive_skipped", "Instances that the archive cannot take."),
    "archive_deleted": ("archive_deleted", "Instances whose deletion reached the archive."),
    "archive_dropped": ("archive_dropped", "Tasks of the archive dropped because its ledger was full."),
    "archive_reads": ("archive_reads", "Frames read from the archive."),
    "archive_bytes": ("archive_bytes", "Bytes of these frames."),
    "archive_faults": ("archive_faults", "Times that the archive could not be read or written."),
    "bucket_reads": ("bucket_reads", "Ranges of Orthanc's files that were read from the bucket (StorageURL)."),
    "bucket_bytes": ("bucket_bytes", "Bytes of these ranges."),
    "bucket_faults": (
        "bucket_faults",
        "Files that could not be read there, so that Orthanc was asked for the whole of them.",
    ),
}


def families(present: Present, metrics: Metrics) -> Iterator[Family]:
    """All metrics; each name begins with frame_cache_."""
    yield from _state(present)
    yield from _cache(present)
    yield from _queue(present)
    yield from _cluster(present.cluster)
    yield from _counters(metrics)
    yield from _by_cause(metrics)
    yield from _times(metrics)


def named(families: Iterable[Family], node: str) -> Iterator[Family]:
    """The same with the label `node`, so that several nodes can be told apart; unchanged if it is ""."""
    for family in families:
        samples = [replace(one, labels={"node": node, **one.labels}) for one in family.samples]
        yield replace(family, samples=samples) if node else family


def _state(present: Present) -> Iterator[Family]:
    yield Family(
        "frame_cache_build_info", "gauge", "Always 1; the version is the label.", [Sample(1, {"version": __version__})]
    )
    yield _gauge("serving", "Whether the plugin serves frames (1) or the stock plugin does (0).", present.serving)
    yield _gauge("degraded", "Whether nothing can be cached at the moment (1).", present.degraded)
    yield _gauge("failed_checks", "Start-up checks that failed.", present.failed_checks)


def _cache(present: Present) -> Iterator[Family]:
    cache = present.cache
    yield _gauge("bytes", "Bytes of the cache's folder.", cache.size)
    yield _gauge("maximum_bytes", "The limit of that folder in bytes (MaximumSizeMB).", present.maximum_size)
    yield _gauge("entries", "Rows of the cache's index: blocks, indexes and records.", cache.entries)
    yield _gauge("studies", "Studies in the cache, whole or in part.", cache.usage.studies)
    yield _gauge("series", "Series in the cache, whole or in part.", cache.usage.series)
    yield _gauge("instances", "Instances in the cache, whole or in part.", cache.usage.instances)
    yield _gauge("frames", "Frames in the cache.", cache.usage.frames)
    yield _gauge("pinned_studies", "Pinned studies.", cache.pinned_studies)
    yield _gauge("metadata_instances", "Instances whose metadata is kept.", cache.metadata)
    if present.free_disk is not None:
        yield _gauge("free_disk_bytes", "Free bytes on the cache's disk.", present.free_disk)
    yield _gauge(
        "minimum_free_disk_bytes", "Bytes that the cache leaves free (MinimumFreeDiskMB).", present.minimum_free_disk
    )
    yield _gauge("bytes_in_flight", "Memory of answers in flight, in bytes.", present.bytes_in_flight)


def _queue(present: Present) -> Iterator[Family]:
    yield _gauge("queue_length", "Instances in the queue.", present.queue_length)
    yield _gauge(
        "queue_oldest_seconds",
        "How long the oldest of them has waited; 0 if the queue is empty.",
        present.oldest_waiting,
    )
    yield _gauge("at_work", "Instances being extracted.", len(present.at_work))
    yield _gauge(
        "incomplete_series",
        "Series that lack instances for longer than IncompleteSeconds.",
        present.incomplete_series,
    )
    yield _gauge("archive_behind", "Changes and tasks that have not reached the archive.", present.archive.behind)
    yield _gauge(
        "archive_unreachable",
        "Whether the archive cannot be read or written at the moment (1).",
        bool(present.archive.error),
    )


def _cluster(figures: ClusterFigures) -> Iterator[Family]:
    yield _gauge(
        "cluster_unreachable", "Whether the shared database (Cluster) does not answer (1).", bool(figures.error)
    )
    yield _gauge("cluster_processes", "Orthancs and workers that take part in shared work now.", figures.processes)
    known = {kind: PieceCounts(kind) for kind in KINDS} | {one.kind: one for one in figures.pieces}
    samples = [
        Sample(count, {"kind": one.kind, "state": state})
        for one in known.values()
        for state, count in (
            ("waiting", one.waiting),
            ("at_work", one.at_work),
            ("done", one.done),
            ("failed", one.failed),
        )
    ]
    meaning = "Pieces of shared work in its present run, of all nodes and workers."
    yield Family("frame_cache_shared_pieces", "gauge", meaning, samples)


def _counters(metrics: Metrics) -> Iterator[Family]:
    for event, (name, meaning) in _COUNTERS.items():
        yield Family(f"frame_cache_{name}_total", "counter", meaning, single(metrics[event]))


def _by_cause(metrics: Metrics) -> Iterator[Family]:
    misses, removals = get_args(MissCause), get_args(RemovalCause)
    yield _causes("misses", "Answers that did not come from the cache.", metrics.causes("misses"), misses)
    bypasses = metrics.causes("bypasses")
    yield _causes("bypasses", "Requests handed over to the stock DICOMweb plugin.", bypasses, get_args(HandOverCause))
    evicted = metrics.causes("evicted_instances")
    yield _causes("evicted_instances", "Instances evicted or removed, whole or in part.", evicted, removals)
    yield _causes("evicted_bytes", "Bytes evicted or removed.", metrics.causes("evicted_bytes"), removals)


def _times(metrics: Metrics) -> Iterator[Family]:
    samples = [
        sample
        for (route, outcome), reading in metrics.serving().items()
        for sample in histogram(reading, {"route": route, "outcome": outcome})
    ]
    yield Family("frame_cache_serve_seconds", "histogram", "Seconds until an answer was ready to send.", samples)
    extraction = list(histogram(metrics.extraction(), {}))
    yield Family(
        "frame_cache_extraction_seconds", "histogram", "Seconds to extract one form of an instance.", extraction
    )


def _gauge(name: str, meaning: str, value: float) -> Family:
    return Family(f"frame_cache_{name}", "gauge", meaning, single(value))


def _causes(name: str, meaning: str, counted: Mapping[str, int], causes: tuple[str, ...]) -> Family:
    """One sample for each possible cause, from 0: its first occurrence is then an increase."""
    samples = [Sample(counted.get(cause, 0), {"cause": cause}) for cause in causes]
    return Family(f"frame_cache_{name}_total", "counter", meaning, samples)


class Monitoring:
    """The area of Prometheus."""

    def __init__(self, metrics: Metrics, measurements: Measurements, module: OrthancModule, node: str = "") -> None:
        """`node` is the label of all samples; "" for none."""
        self._metrics, self._measurements, self._module, self._node = metrics, measurements, module, node
        self.get_routes: Mapping[str, Answer] = {"metrics": self.metrics}
        self.post_routes: Mapping[str, Answer] = {}

    def metrics(self) -> Content:
        """GET /frame-cache/metrics."""
        return Content(text(self._families()).encode(), CONTENT_TYPE)

    def publish(self) -> None:
        """Write all metrics but histograms into Orthanc's own metrics, as 32-bit floats.

        Call it only while Orthanc runs: before ORTHANC_STARTED it accepts no metrics.
        """
        kind = self._module.MetricsType.DEFAULT
        for family in self._families():
            for sample in family.samples if family.kind != "histogram" else ():
                self._module.SetMetricsValue(series_name(family, sample), float(sample.value), kind)

    def _families(self) -> Iterator[Family]:
        return named(families(self._measurements.take(), self._metrics), self._node)
