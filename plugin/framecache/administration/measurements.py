"""How things stand at this moment, read from those who know."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from framecache.administration.findings import Findings
from framecache.archive.catalogue import Catalogue
from framecache.archive.entry import Entry
from framecache.cache.buffers import BufferPool
from framecache.cache.frame_store import FrameStore
from framecache.cache.held import HeldInAll
from framecache.filling.filler import Filler
from framecache.ports import Clock
from framecache.settings import MEGABYTE, Settings

# Counting what is held takes longer the more it is: it may take this share of one processor, however often one asks.
_SHARE = 0.05


class Queue(Protocol):
    """Where instances wait before they come to the filler."""

    @property
    def queue_length(self) -> int:
        """How many."""


class Work(Protocol):
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
class Kept:
    """What the store holds: bytes on disk, rows of its index, and what they are of."""

    size: int
    entries: int
    pinned_studies: int
    held: HeldInAll


@dataclass(frozen=True, slots=True)
class Present:
    """One moment. Sizes are in bytes; `free_disk` is None where the cache's disk cannot be looked at."""

    serving: bool
    failed_checks: int
    degraded: bool
    kept: Kept
    maximum_size: int
    free_disk: int | None
    minimum_free_disk: int
    queue_length: int
    oldest_waiting: float
    at_work: Sequence[Work]
    bytes_in_flight: int


class Measurements:
    """Takes them."""

    def __init__(
        self,
        findings: Findings,
        settings: Settings,
        clock: Clock,
        catalogue: Catalogue,
        store: FrameStore,
        filler: Filler,
        intake: Queue,
        pool: BufferPool,
    ) -> None:
        self._findings, self._settings, self._clock, self._catalogue = findings, settings, clock, catalogue
        self._store, self._filler, self._intake, self._pool = store, filler, intake, pool
        self._kept, self._kept_until = Kept(0, 0, 0, HeldInAll()), 0.0

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
            queue_length=self._filler.queue_length + self._intake.queue_length,
            oldest_waiting=self._filler.oldest_waiting,
            at_work=self._filler.at_work(),
            bytes_in_flight=self._pool.leased,
        )

    def _count(self) -> Kept:
        begun = self._clock.monotonic()
        if begun >= self._kept_until:
            self._kept = self._catalogue.on_desk(self._ask)
            ended = self._clock.monotonic()
            self._kept_until = ended + (ended - begun) / _SHARE
        return self._kept

    def _ask(self) -> Kept:
        store = self._store
        return Kept(store.bytes_used(), store.count(), len(store.pinned()), store.held_in_all())

    def _free_disk(self) -> int | None:
        try:
            return shutil.disk_usage(self._settings.directory).free
        except OSError:
            return None
