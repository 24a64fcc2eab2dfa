"""The present state of the cache and its queue, for monitoring."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from framecache.admin.checks import Findings
from framecache.config.settings import MEGABYTE, Settings
from framecache.instances.archive import ArchiveFigures
from framecache.instances.catalogue import Catalogue
from framecache.instances.entry import Entry
from framecache.ports import Clock
from framecache.prefetch.cluster_figures import ClusterFigures
from framecache.prefetch.scheduler import Scheduler
from framecache.store.buffers import BufferPool
from framecache.store.store import Store
from framecache.store.usage import TotalUsage

# Counting takes longer the fuller the cache is: limit it to this share of one processor, at any polling rate.
_SHARE = 0.05


class QueueFigures(Protocol):
    """A queue of instances ahead of the scheduler."""

    @property
    def queue_length(self) -> int:
        """The number of waiting instances."""


class WorkFigures(Protocol):
    """An instance being extracted since `since` (monotonic seconds); `entry` is None until it is known."""

    @property
    def orthanc_id(self) -> str: ...

    @property
    def priority(self) -> IntEnum: ...

    @property
    def since(self) -> float: ...

    @property
    def entry(self) -> Entry | None: ...

    @property
    def cached_frames(self) -> int: ...


@dataclass(frozen=True, slots=True)
class CacheFigures:
    """The contents of the store: bytes on disk, rows of its index, and the numbers of cached resources.

    `metadata` is the number of instances whose metadata is kept.
    """

    size: int
    entries: int
    pinned_studies: int
    usage: TotalUsage
    metadata: int = 0


@dataclass(frozen=True, slots=True)
class Present:
    """The state at one moment. Sizes are in bytes; `free_disk` is None if the cache's disk cannot be read."""

    serving: bool
    failed_checks: int
    degraded: bool
    cache: CacheFigures
    maximum_size: int
    free_disk: int | None
    minimum_free_disk: int
    queue_length: int
    oldest_waiting: float
    at_work: Sequence[WorkFigures]
    bytes_in_flight: int
    archive: ArchiveFigures = field(default_factory=ArchiveFigures)
    incomplete_series: int = 0
    cluster: ClusterFigures = field(default_factory=ClusterFigures)


class Measurements:
    """Takes the measurements."""

    def __init__(
        self,
        findings: Findings,
        settings: Settings,
        clock: Clock,
        catalogue: Catalogue,
        store: Store,
        scheduler: Scheduler,
        change_feed: QueueFigures,
        pool: BufferPool,
        archive: Callable[[], ArchiveFigures] = ArchiveFigures,
        incomplete_series: Callable[[], int] = int,
        cluster: Callable[[], ClusterFigures] = ClusterFigures,
    ) -> None:
        self._archive, self._incomplete_series, self._cluster = archive, incomplete_series, cluster
        self._findings, self._settings, self._clock, self._catalogue = findings, settings, clock, catalogue
        self._store, self._scheduler, self._change_feed, self._pool = store, scheduler, change_feed, pool
        self._cache, self._valid_until = CacheFigures(0, 0, 0, TotalUsage()), 0.0

    def take(self) -> Present:
        """The present state. Raises FrameCacheError if the plugin is stopping."""
        return Present(
            serving=self._findings.serving,
            failed_checks=len(self._findings.failed),
            degraded=self._store.degraded is not None,
            cache=self._count(),
            maximum_size=self._settings.maximum_size_mb * MEGABYTE,
            free_disk=self._free_disk(),
            minimum_free_disk=self._settings.minimum_free_disk_mb * MEGABYTE,
            queue_length=self._scheduler.queue_length + self._change_feed.queue_length,
            oldest_waiting=self._scheduler.oldest_waiting,
            at_work=self._scheduler.at_work(),
            bytes_in_flight=self._pool.leased,
            archive=self._archive(),
            incomplete_series=self._incomplete_series(),
            cluster=self._cluster(),
        )

    def _count(self) -> CacheFigures:
        begun = self._clock.monotonic()
        if begun >= self._valid_until:
            self._cache = self._catalogue.on_desk(self._read)
            ended = self._clock.monotonic()
            self._valid_until = ended + (ended - begun) / _SHARE
        return self._cache

    def _read(self) -> CacheFigures:
        store = self._store
        pinned, metadata = len(store.pins.studies()), store.metadata.number()
        return CacheFigures(store.space.used(), store.space.rows(), pinned, store.usage.total(), metadata)

    def _free_disk(self) -> int | None:
        try:
            return shutil.disk_usage(self._settings.directory).free
        except OSError:
            return None
