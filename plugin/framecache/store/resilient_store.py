"""The store as all others see it: a fault of its folder is noted and repaired, and never reaches a viewer.

While it is degraded nothing is written; what can still be read is read, and frames come from the stored files.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

import diskcache

from framecache.dicom.identity import InstancePath
from framecache.orthanc.instance import Instance
from framecache.plurals import counted
from framecache.ports import Clock
from framecache.store.block import Block
from framecache.store.disk.disk_store import DiskStore
from framecache.store.disk.table import IndexReplaced, is_damage
from framecache.store.frame_store import Degraded, DoesNotFit, NoStore, StoreError
from framecache.store.usage import InstanceUsage, Order, StudyUsagePage, TotalUsage
from framecache.telemetry.metrics import RemovalCause

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")
_FAULTS = (OSError, sqlite3.Error, diskcache.Timeout, StoreError, ValueError)


class ResilientStore:
    """A FrameStore around the one that `open_store` opens (raising StoreError), again whenever that is needed."""

    def __init__(
        self,
        open_store: Callable[[], DiskStore],
        limit: int,
        clock: Clock,
        on_change: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        """`on_change` is told why nothing can be kept from now on, or None when that is over."""
        self._on_change = on_change
        self._open, self.limit, self._clock = open_store, limit, clock
        self._store: DiskStore | NoStore = NoStore()
        self._degraded: Degraded | None = None
        self._give_up: Callable[[], None] = lambda: None
        self._changing, self._is_closed, self._is_checked = threading.Lock(), False, True
        try:
            self._store = open_store()
        except StoreError as error:
            self._note(error)

    @property
    def degraded(self) -> Degraded | None:
        """Since when and why nothing is written; None while all is well."""
        return self._degraded

    def record(self, path: InstancePath) -> Instance | None:
        return self._read(lambda store: store.record(path), None)

    def blocks(self, instance: Instance) -> list[Block]:
        return self._read(lambda store: store.blocks(instance), [])

    def blocks_of(self, orthanc_id: str) -> list[Block]:
        return self._read(lambda store: store.blocks_of(orthanc_id), [])

    def keep_record(self, instance: Instance, *, unasked: bool = False) -> None:
        self._write(lambda store: store.keep_record(instance, unasked=unasked))

    def keep(
        self, instance: Instance, representation: str, frames: Mapping[int, memoryview], *, may_evict: bool = True
    ) -> Block:
        return self._write(lambda store: store.keep(instance, representation, frames, may_evict=may_evict))

    def index(self, instance: Instance) -> bytes | None:
        return self._read(lambda store: store.index(instance), None)

    def keep_index(self, instance: Instance, content: bytes, *, may_evict: bool = True) -> None:
        self._write(lambda store: store.keep_index(instance, content, may_evict=may_evict))

    def touch(self, last_accesses: Mapping[InstancePath, float]) -> None:
        self._write(lambda store: store.touch(last_accesses))

    def pin(self, study_instance_uid: str) -> None:
        self._write(lambda store: store.pin(study_instance_uid))

    def unpin(self, study_instance_uid: str) -> None:
        self._write(lambda store: store.unpin(study_instance_uid))

    def pinned(self) -> frozenset[str]:
        return self._read(lambda store: store.pinned(), frozenset())

    def versions(self, after: str, most: int) -> Mapping[str, Collection[str]]:
        return self._read(lambda store: store.versions(after, most), {})

    def versions_of(self, orthanc_ids: Sequence[str]) -> Mapping[str, Collection[str]]:
        """Raises StoreError: whoever cleans up must not take a fault for a cache that has nothing."""
        if isinstance(self._store, NoStore) and self._degraded is not None:
            raise StoreError(self._degraded.reason)
        return self._remove(lambda store: store.versions_of(orthanc_ids))

    def held_in_all(self) -> TotalUsage:
        return self._read(lambda store: store.held_in_all(), TotalUsage())

    def held_studies(self, order: Order, limit: int, offset: int, study_ids: Sequence[str] | None) -> StudyUsagePage:
        return self._read(lambda store: store.held_studies(order, limit, offset, study_ids), StudyUsagePage(0, ()))

    def held_instances(self, orthanc_ids: Sequence[str]) -> Mapping[str, InstanceUsage]:
        return self._read(lambda store: store.held_instances(orthanc_ids), {})

    def note(self, key: str) -> str | None:
        return self._read(lambda store: store.note(key), None)

    def remember(self, key: str, value: str) -> None:
        with contextlib.suppress(StoreError):  # noted by itself, and not worth an error to whoever only takes a note
            self._write(lambda store: store.remember(key, value))

    def forget(self, *orthanc_ids: str) -> int:
        return self._remove(lambda store: store.forget(*orthanc_ids))

    def forget_versions(self, stale: Mapping[str, Collection[str]], cause: RemovalCause = "replaced") -> None:
        self._remove(lambda store: store.forget_versions(stale, cause))

    def forget_block(self, block: Block) -> None:
        self._remove(lambda store: store.forget_block(block))

    def bytes_used(self) -> int:
        return self._read(lambda store: store.bytes_used(), 0)

    def room(self) -> int:
        return self._read(lambda store: store.room(), 0)

    def count(self) -> int:
        return self._read(lambda store: store.count(), 0)

    def close(self) -> None:
        """Give the folder free; nothing is kept from now on."""
        with self._changing:
            self._is_closed = True
            store, self._store = self._store, NoStore()
        store.close()

    def check(self, is_stopping: Callable[[], bool]) -> None:
        """Compare files and index after the start, before anything is written."""
        self._is_checked = False
        self._attempt(lambda store: self._check(store, is_stopping))

    def tend(self, is_stopping: Callable[[], bool]) -> None:
        """To be called every few seconds: keeps bounds that time breaks, and tries to repair what is degraded."""
        if self._is_closed:
            return
        if isinstance(self._store, NoStore):
            self._reopen(is_stopping)
        elif self._degraded is None:
            self._attempt(lambda store: store.tend(self._clock.time()))
        else:
            self._attempt(lambda store: self._probe(store, is_stopping))

    def _read(self, function: Callable[[DiskStore | NoStore], _Result], otherwise: _Result) -> _Result:
        try:
            return function(self._store)
        except _FAULTS as error:
            self._note(error)
            return otherwise

    def _write(self, function: Callable[[DiskStore | NoStore], _Result]) -> _Result:
        if self._degraded is not None:
            raise StoreError(self._degraded.reason)
        return self._remove(function)

    def _remove(self, function: Callable[[DiskStore | NoStore], _Result]) -> _Result:
        """Also while degraded: what is removed makes room."""
        try:
            return function(self._store)
        except DoesNotFit:
            raise
        except _FAULTS as error:
            self._note(error)
            raise StoreError(_reason(error)) from error

    def _attempt(self, function: Callable[[DiskStore], None]) -> None:
        store = self._store
        try:
            if isinstance(store, DiskStore):
                function(store)
        except _FAULTS as error:
            self._note(error)

    def _check(self, store: DiskStore, is_stopping: Callable[[], bool]) -> None:
        found = store.check(is_stopping)
        self._is_checked = True
        if found.orphans or found.lost or found.folders:
            logger.warning(
                "checked against its index: removed %s without a row, %s without a file and %s",
                counted(found.orphans, "file"),
                counted(found.lost, "row"),
                counted(found.folders, "unreadable folder"),
            )

    def _probe(self, store: DiskStore, is_stopping: Callable[[], bool]) -> None:
        if not self._is_checked:  # else what a crash left behind would never count
            self._check(store, is_stopping)
        store.tend(self._clock.time())
        store.probe()
        self._recovered()

    def _reopen(self, is_stopping: Callable[[], bool]) -> None:
        give_up, self._give_up = self._give_up, lambda: None
        try:
            give_up()
            store = self._open()
            try:
                self._check(store, is_stopping)
                store.probe()
            except BaseException as error:
                store.set_aside() if is_damage(error) else store.close()
                raise
        except _FAULTS as error:
            self._note(error)
        else:
            with self._changing:
                if not self._is_closed:
                    self._store, store = store, self._store
            store.close()
            self._recovered()

    def _recovered(self) -> None:
        with self._changing:
            if self._degraded is not None:
                self._degraded = None
                logger.warning("the cache can be used again")
                self._on_change(None)

    def _note(self, error: Exception) -> None:
        reason = _reason(error)
        with self._changing:
            store = self._store
            if isinstance(store, DiskStore) and (is_damage(error) or isinstance(error, IndexReplaced)):
                self._give_up = store.set_aside if is_damage(error) else store.close
                self._store = NoStore()
            is_new = self._degraded is None and not self._is_closed
            since = self._clock.time() if self._degraded is None else self._degraded.since
            self._degraded = Degraded(since, reason)
        if is_new:
            logger.error("NOT CACHING for now: %s", reason)
            self._on_change(reason)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
