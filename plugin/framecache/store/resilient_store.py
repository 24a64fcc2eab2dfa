"""The store as all others see it: a fault of its folder is noted and repaired, and never reaches a viewer.

While it is degraded nothing is written; what can still be read is read, and frames come from the stored files.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import diskcache

from framecache.plurals import counted
from framecache.ports import Clock
from framecache.store.disk.disk_store import DiskStore
from framecache.store.disk.table import IndexReplaced, is_damage
from framecache.store.errors import DoesNotFit, StoreError
from framecache.store.faults import FaultRule, guarded
from framecache.store.memory_store import MemoryStore
from framecache.store.parts import Blocks, Notes, Pins, Records, Space, Usage, Versions
from framecache.store.store import Degraded

logger = logging.getLogger(__name__)

_FAULTS = (OSError, sqlite3.Error, diskcache.Timeout, StoreError, ValueError)


class ResilientStore:
    """A Store around the one that `open_store` opens (raising StoreError), again whenever that is needed."""

    def __init__(
        self,
        open_store: Callable[[], DiskStore],
        limit: int,
        clock: Clock,
        on_change: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        """`on_change` is called with the reason when nothing can be cached, and with None when that is over."""
        self._on_change = on_change
        self._open, self.limit, self._clock = open_store, limit, clock
        self._store = _no_store()
        self.degraded: Degraded | None = None
        self._give_up: Callable[[], None] = lambda: None
        self._changing, self._is_closed, self._is_checked = threading.Lock(), False, True
        self.blocks = guarded(Blocks, lambda: self._store.blocks, self._guard)
        self.records = guarded(Records, lambda: self._store.records, self._guard)
        self.versions = guarded(Versions, lambda: self._store.versions, self._guard)
        self.usage = guarded(Usage, lambda: self._store.usage, self._guard)
        self.space = guarded(Space, lambda: self._store.space, self._guard)
        self.pins = guarded(Pins, lambda: self._store.pins, self._guard)
        self.notes = guarded(Notes, lambda: self._store.notes, self._guard)
        try:
            self._store = open_store()
        except StoreError as error:
            self._note(error)

    def close(self) -> None:
        """Release the folder; nothing is cached from now on."""
        with self._changing:
            self._is_closed = True
            store, self._store = self._store, _no_store()
        store.close()

    def check(self, is_stopping: Callable[[], bool]) -> None:
        """Compare files and index after the start, before anything is written."""
        self._is_checked = False
        self._attempt(lambda store: self._check(store, is_stopping))

    def tend(self, is_stopping: Callable[[], bool]) -> None:
        """Expire what is too old, and try to repair what is degraded; to be called every few seconds."""
        if self._is_closed:
            return
        if isinstance(self._store, MemoryStore):
            self._reopen(is_stopping)
        elif self.degraded is None:
            self._attempt(lambda store: store.tend(self._clock.time()))
        else:
            self._attempt(lambda store: self._probe(store, is_stopping))

    def _guard(self, rule: FaultRule, call: Callable[[], Any]) -> Any:
        try:
            if self.degraded is not None:
                self._refuse(rule, self.degraded)
            return call()
        except DoesNotFit:
            raise
        except _FAULTS as error:
            self._note(error)
            if rule.instead is not None:
                return rule.instead()
            raise StoreError(_reason(error)) from error

    def _refuse(self, rule: FaultRule, degraded: Degraded) -> None:
        if rule.kind in ("writes", "notes") or (rule.kind == "removes" and isinstance(self._store, MemoryStore)):
            raise StoreError(degraded.reason)

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
            self._take(store)

    def _take(self, opened: DiskStore) -> None:
        left: DiskStore | MemoryStore = opened
        with self._changing:
            if not self._is_closed:
                self._store, left = opened, self._store
        left.close()
        self._recovered()

    def _recovered(self) -> None:
        with self._changing:
            if self.degraded is not None:
                self.degraded = None
                logger.warning("the cache can be used again")
                self._on_change(None)

    def _note(self, error: Exception) -> None:
        reason = _reason(error)
        with self._changing:
            store = self._store
            if isinstance(store, DiskStore) and (is_damage(error) or isinstance(error, IndexReplaced)):
                self._give_up = store.set_aside if is_damage(error) else store.close
                self._store = _no_store()
            is_new = self.degraded is None and not self._is_closed
            since = self._clock.time() if self.degraded is None else self.degraded.since
            self.degraded = Degraded(since, reason)
        if is_new:
            logger.error("NOT CACHING for now: %s", reason)
            self._on_change(reason)


def _no_store() -> DiskStore | MemoryStore:
    """While there is no folder: nothing is in it, and nothing fits."""
    return MemoryStore(0)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
