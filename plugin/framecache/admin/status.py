"""GET /frame-cache/status: the start-up checks, the settings, and counters since the start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

from framecache.admin.area import Answer, iso
from framecache.admin.checks import Findings, check_store
from framecache.admin.statistics import by_cause
from framecache.config.reading import in_force
from framecache.config.settings import MEGABYTE, Settings
from framecache.dicomweb.url import PublicUrl
from framecache.errors import HandOverCause
from framecache.instances.archive import ArchiveFigures
from framecache.instances.catalogue import Catalogue
from framecache.prefetch.change_feed import ChangeFeed
from framecache.prefetch.cluster_figures import ClusterFigures
from framecache.prefetch.scheduler import Scheduler
from framecache.store.buffers import BufferPool
from framecache.store.store import Store
from framecache.telemetry.metrics import CounterName, Metrics

_COUNTERS: Mapping[str, CounterName] = {
    "Hits": "hits",
    "Misses": "misses",
    "Bypasses": "bypasses",
    "NotModified": "not_modified",
    "Errors": "errors",
    "DamagedBlocks": "damaged_blocks",
    "ExtractedInstances": "extracted_instances",
    "ExtractedFrames": "extracted_frames",
    "ExtractedBytes": "extracted_bytes",
    "DroppedFromQueue": "dropped_from_queue",
    "ArchiveWritten": "archive_written",
    "ArchiveSkipped": "archive_skipped",
    "ArchiveDeleted": "archive_deleted",
    "ArchiveReads": "archive_reads",
    "ArchiveBytes": "archive_bytes",
    "ArchiveFaults": "archive_faults",
    "BucketReads": "bucket_reads",
    "BucketBytes": "bucket_bytes",
    "BucketFaults": "bucket_faults",
}


class Status:
    """The area of the status."""

    def __init__(
        self,
        findings: Findings,
        settings: Settings,
        catalogue: Catalogue,
        store: Store,
        scheduler: Scheduler,
        change_feed: ChangeFeed,
        pool: BufferPool,
        metrics: Metrics,
        url: PublicUrl,
        archive: Callable[[], ArchiveFigures] = ArchiveFigures,
        node: str = "",
        cluster: Callable[[], ClusterFigures] = ClusterFigures,
    ) -> None:
        """`node` is the name among the others that share work; "" where nothing is shared."""
        self._node, self._cluster = node, cluster
        self._findings, self._settings, self._catalogue, self._store = findings, settings, catalogue, store
        self._scheduler, self._change_feed, self._pool, self._metrics = scheduler, change_feed, pool, metrics
        self._url, self._archive = url, archive
        self.get_routes: Mapping[str, Answer] = {"status": self.status}
        self.post_routes: Mapping[str, Answer] = {}

    def status(self) -> dict[str, Any]:
        """GET /frame-cache/status."""
        degraded = self._store.degraded
        self._findings.note(check_store(degraded.reason if degraded else None))
        count, size, metadata = self._catalogue.on_desk(self._usage)
        failures = self._scheduler.failures()
        return {
            **self._findings.to_json(),
            "DicomWeb": {"Root": self._url.root, "PublicRoot": self._url.public_root},
            "Settings": in_force(self._settings),
            "Entries": count,
            "MetadataInstances": metadata,
            "Bytes": size,
            "MaximumBytes": self._settings.maximum_size_mb * MEGABYTE,
            "Degraded": self._degraded(),
            "Archive": self._archived(),
            "Cluster": self._shared(),
            "PinnedStudies": sorted(self._catalogue.on_desk(self._store.pins.studies)),
            "BytesInFlight": self._pool.leased,
            "QueueLength": self._scheduler.queue_length + self._change_feed.queue_length,
            "Failures": self._metrics["failed_extractions"],
            "FailedInstances": dict(list(failures.items())[-20:]),
            **{name: self._metrics[event] for name, event in _COUNTERS.items()},
            "BypassesByCause": by_cause(get_args(HandOverCause), self._metrics.causes("bypasses")),
        }

    def _degraded(self) -> dict[str, str] | None:
        """When and why caching stopped."""
        found = self._store.degraded
        if found is None:
            return None
        return {"Since": iso(found.since), "Reason": found.reason}

    def _archived(self) -> dict[str, Any] | None:
        """How far the archive is behind; since when and why it cannot be written or read, and is being compared."""
        if not self._settings.archive:
            return None
        figures = self._archive()
        fault = {"Since": iso(figures.since), "Reason": figures.error} if figures.error else None
        since, text = figures.comparison_since, figures.comparison
        comparison = {"Since": iso(since), "Reason": text} if text else None
        return {"Behind": figures.behind, "Fault": fault, "Comparison": comparison}

    def _shared(self) -> dict[str, Any] | None:
        """What all nodes share, and since when and why the shared database does not answer."""
        if not self._node:
            return None
        figures = self._cluster()
        fault = {"Since": iso(figures.since), "Reason": figures.error} if figures.error else None
        pieces = [
            {"Kind": one.kind, "Waiting": one.waiting, "AtWork": one.at_work, "Done": one.done, "Failed": one.failed}
            for one in figures.pieces
        ]
        return {"Node": self._node, "Processes": figures.processes, "Pieces": pieces, "Fault": fault}

    def _usage(self) -> tuple[int, int, int]:
        return self._store.space.rows(), self._store.space.used(), self._store.metadata.number()
