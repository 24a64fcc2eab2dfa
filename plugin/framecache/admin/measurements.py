"""How things stand at this moment, read from those who know."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from framecache.admin.checks import Findings
from framecache.config.settings import MEGABYTE, Settings
from framecache.instances.catalogue import Catalogue
from framecache.instances.entry import Entry
from framecache.ports import Clock
from framecache.prefetch.scheduler import Scheduler
from framecache.store.buffers import BufferPool
from framecache.store.store import Store
from framecache.store.usage import TotalUsage

# Counting what is held takes longer the more it is: it may take this share of one processor, however often one asks.
_SHARE = 0.05


class QueueFigures(Protocol):
    """Where instances wait before they come to the filler."""

    @property
    def queue_length(self) -> int:
        """How many."""


class WorkFigures(Protocol):
    """An instance that is being cut out since `since` (monotonic seconds); no entry before it is known."""

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
class KeptFigures:
    """What the store holds: bytes on disk, rows of its index, and what they are of."""

    size: int
    entries: int
    pinned_studies: int
    held: TotalUsage


@dataclass(frozen=True, slots=True)
class Present:
    """One moment. Sizes are in bytes; `free_disk` is None where the cache's disk cannot be looked at."""

    serving: bool
    failed_checks: int
    degraded: bool
    kept: KeptFigures
    maximum_size: int
    free_disk: int | None
    minimum_free_disk: int
    queue_length: int
    oldest_waiting: float
    at_work: Sequence[WorkFigures]
    bytes_in_flight: int


class Measurements:
    """Takes them."""

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
    ) -> None:
        self._findings, self._settings, self._clock, self._catalogue = findings, settings, clock, catalogue
        self._store, self._scheduler, self._change_feed, self._pool = store, scheduler, change_feed, pool
        self._kept, self._kept_until = KeptFigures(0, 0, 0, TotalUsage()), 0.0

    def take(self) -> Present:
        """How things stand now. Raises FrameCacheError where the plugin is stopping."""
        return Present(
            serving=self._findings.serving,
            failed_checks=len(self._findings.failed),
            degraded=self._store.degraded is not None,
            kept=self._count(),
            maximum_size=self._settings.maximum_size_mb * MEGABYTE,
            free_disk=self._free_disk(),
            minimum_free_disk=self._settings.minimum_free_disk_mb * MEGABYTE,
            queue_length=self._scheduler.queue_length + self._change_feed.queue_length,
            oldest_waiting=self._scheduler.oldest_waiting,
            at_work=self._scheduler.at_work(),
            bytes_in_flight=self._pool.leased,
        )

    def _count(self) -> KeptFigures:
        begun = self._clock.monotonic()
        if begun >= self._kept_until:
            self._kept = self._catalogue.on_desk(self._ask)
            ended = self._clock.monotonic()
            self._kept_until = ended + (ended - begun) / _SHARE
        return self._kept

    def _ask(self) -> KeptFigures:
        store = self._store
        return KeptFigures(store.space.used(), store.space.rows(), len(store.pins.studies()), store.usage.total())

    def _free_disk(self) -> int | None:
        try:
            return shutil.disk_usage(self._settings.directory).free
        except OSError:
            return None
