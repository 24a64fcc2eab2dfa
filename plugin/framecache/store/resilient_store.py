"""The store as all others see it: a fault of it is noted and repaired, and never reaches a viewer.

While it is degraded nothing is written; what can still be read is read, and frames come from the stored files.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from framecache.plurals import counted
from framecache.ports import Clock
from framecache.store.errors import DoesNotFit, FaultRule, StoreError, guarded
from framecache.store.memory_store import MemoryStore
from framecache.store.parts import Blocks, Metadata, Notes, Pins, Records, Space, Usage, Versions
from framecache.store.store import BackingStore, Degraded, Parts

logger = logging.getLogger(__name__)


class ResilientStore:
    """A Store around the one that `open_store` opens (raising StoreError), again whenever that is needed."""

    def __init__(
        self,
        open_store: Callable[[], BackingStore],
        limit: int,
        clock: Clock,
        on_change: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        """`on_change` is called with the reason when nothing can be cached, and with None when that is over."""
        self._on_change = on_change
        self._open, self.limit, self._clock = open_store, limit, clock
        self._opened: BackingStore | None = None
        self._empty = MemoryStore(0)  # in place of one that is not open: nothing is in it, and nothing fits
        self._faults: tuple[type[Exception], ...] = (StoreError,)
        self.degraded: Degraded | None = None
        self._give_up: Callable[[], None] = lambda: None
        self._changing, self._is_closed, self._is_checked = threading.Lock(), False, True
        self.blocks = guarded(Blocks, lambda: self._parts.blocks, self._guard)
        self.records = guarded(Records, lambda: self._parts.records, self._guard)
        self.versions = guarded(Versions, lambda: self._parts.versions, self._guard)
        self.metadata = guarded(Metadata, lambda: self._parts.metadata, self._guard)
        self.usage = guarded(Usage, lambda: self._parts.usage, self._guard)
        self.space = guarded(Space, lambda: self._parts.space, self._guard)
        self.pins = guarded(Pins, lambda: self._parts.pins, self._guard)
        self.notes = guarded(Notes, lambda: self._parts.notes, self._guard)
        try:
            self._opened = self._open_anew()
        except StoreError as error:
            self._note(error)

    @property
    def _parts(self) -> Parts:
        return self._empty if self._opened is None else self._opened

    def _open_anew(self) -> BackingStore:
        store = self._open()
        self._faults = (StoreError, *store.faults)
        return store

    def close(self) -> None:
        """Release the store; nothing is cached from now on."""
        with self._changing:
            self._is_closed = True
            store, self._opened = self._opened, None
        if store is not None:
            store.close()

    def check(self, is_stopping: Callable[[], bool]) -> None:
        """Recover from a crash after the start, before anything is written."""
        self._is_checked = False
        self._attempt(lambda store: self._check(store, is_stopping))

    def tend(self, is_stopping: Callable[[], bool]) -> None:
        """Expire what is too old, and try to repair what is degraded; to be called every few seconds."""
        if self._is_closed:
            return
        if self._opened is None:
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
        except self._faults as error:
            self._note(error)
            if rule.instead is not None:
                return rule.instead()
            raise StoreError(_reason(error)) from error

    def _refuse(self, rule: FaultRule, degraded: Degraded) -> None:
        if rule.kind in ("writes", "notes") or (rule.kind == "removes" and self._opened is None):
            raise StoreError(degraded.reason)

    def _attempt(self, function: Callable[[BackingStore], None]) -> None:
        store = self._opened
        try:
            if store is not None:
                function(store)
        except self._faults as error:
            self._note(error)

    def _check(self, store: BackingStore, is_stopping: Callable[[], bool]) -> None:
        found = store.check(is_stopping)
        self._is_checked = True
        if found.orphans or found.lost or found.folders:
            logger.warning(
                "checked against its index: removed %s without a row, %s without a file and %s",
                counted(found.orphans, "file"),
                counted(found.lost, "row"),
                counted(found.folders, "unreadable folder"),
            )

    def _probe(self, store: BackingStore, is_stopping: Callable[[], bool]) -> None:
        if not self._is_checked:  # else what a crash left behind would never count
            self._check(store, is_stopping)
        store.tend(self._clock.time())
        store.probe()
        self._recovered()

    def _reopen(self, is_stopping: Callable[[], bool]) -> None:
        give_up, self._give_up = self._give_up, lambda: None
        try:
            give_up()
            store = self._open_anew()
            try:
                self._check(store, is_stopping)
                store.probe()
            except BaseException as error:
                is_damaged = isinstance(error, Exception) and store.is_damage(error)
                store.set_aside() if is_damaged else store.close()
                raise
        except self._faults as error:
            self._note(error)
        else:
            self._take(store)

    def _take(self, store: BackingStore) -> None:
        with self._changing:
            is_late = self._is_closed
            if not is_late:
                self._opened = store
        if is_late:
            store.close()
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
            store = self._opened
            if store is not None and (store.is_damage(error) or store.is_replacement(error)):
                self._give_up = store.set_aside if store.is_damage(error) else store.close
                self._opened = None
            is_new = self.degraded is None and not self._is_closed
            since = self._clock.time() if self.degraded is None else self.degraded.since
            self.degraded = Degraded(since, reason)
        if is_new:
            logger.error("NOT CACHING for now: %s", reason)
            self._on_change(reason)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
