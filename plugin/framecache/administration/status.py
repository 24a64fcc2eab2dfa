"""GET /frame-cache/status: whether all is well, and what has happened since the start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from framecache import settings as settings_module
from framecache.administration.answers import Answer
from framecache.administration.checks import check_store
from framecache.administration.findings import Findings
from framecache.administration.times import iso
from framecache.archive.catalogue import Catalogue
from framecache.cache.buffers import BufferPool
from framecache.cache.frame_store import FrameStore
from framecache.dicomweb.public_url import PublicUrl
from framecache.filling.filler import Filler
from framecache.filling.intake import Intake
from framecache.metrics import Event, Metrics
from framecache.settings import Settings

_COUNTERS: Mapping[str, Event] = {
    "Hits": "hits",
    "Misses": "misses",
    "Bypasses": "bypasses",
    "NotModified": "not_modified",
    "Errors": "errors",
    "DamagedBlocks": "damaged_blocks",
    "FilledInstances": "filled_instances",
    "FilledFrames": "filled_frames",
    "FilledBytes": "filled_bytes",
    "DroppedFromQueue": "dropped_from_queue",
}


class Status:
    """The area of the status."""

    def __init__(
        self,
        findings: Findings,
        settings: Settings,
        catalogue: Catalogue,
        store: FrameStore,
        filler: Filler,
        intake: Intake,
        pool: BufferPool,
        metrics: Metrics,
        url: PublicUrl,
    ) -> None:
        self._findings, self._settings, self._catalogue, self._store = findings, settings, catalogue, store
        self._filler, self._intake, self._pool, self._metrics = filler, intake, pool, metrics
        self._url = url
        self.told: Mapping[str, Answer] = {"status": self.status}
        self.done: Mapping[str, Answer] = {}

    def status(self) -> dict[str, Any]:
        """GET /frame-cache/status."""
        degraded = self._store.degraded
        self._findings.note(check_store(degraded.reason if degraded else None))
        count, size = self._catalogue.on_desk(self._usage)
        failures = self._filler.failures()
        return {
            **self._findings.to_json(),
            "DicomWeb": {"Root": self._url.root, "PublicRoot": self._url.public_root},
            "Settings": settings_module.in_force(self._settings),
            "Entries": count,
            "Bytes": size,
            "MaximumBytes": self._settings.maximum_size_mb * settings_module.MEGABYTE,
            "Degraded": self._degraded(),
            "PinnedStudies": sorted(self._catalogue.on_desk(self._store.pinned)),
            "BytesInFlight": self._pool.leased,
            "QueueLength": self._filler.queue_length + self._intake.queue_length,
            "Failures": self._metrics["failed_fills"],
            "FailedInstances": dict(list(failures.items())[-20:]),
            **{name: self._metrics[event] for name, event in _COUNTERS.items()},
        }

    def _degraded(self) -> dict[str, str] | None:
        """Since when and why nothing is kept."""
        found = self._store.degraded
        if found is None:
            return None
        return {"Since": iso(found.since), "Reason": found.reason}

    def _usage(self) -> tuple[int, int]:
        return self._store.count(), self._store.bytes_used()
