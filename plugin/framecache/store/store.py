"""A store: all parts of it, and the one that a resilient store stands on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from framecache.store.parts import Blocks, Metadata, Notes, Pins, Records, Space, Usage, Versions


@dataclass(frozen=True, slots=True)
class Degraded:
    """Since when (seconds since the epoch) nothing can be cached, and why."""

    since: float
    reason: str


class Parts(Protocol):
    """All parts of a store, which may use `limit` bytes at most."""

    limit: int
    blocks: Blocks
    records: Records
    versions: Versions
    metadata: Metadata
    usage: Usage
    space: Space
    pins: Pins
    notes: Notes


class Store(Parts, Protocol):
    """`degraded` says since when and why nothing can be cached; it is None while all is well."""

    degraded: Degraded | None

    def check(self, is_stopping: Callable[[], bool]) -> None:
        """Remove what a crash left behind. Nothing may be written meanwhile."""

    def tend(self, is_stopping: Callable[[], bool]) -> None:
        """Expire what is too old, and try to repair what is degraded; to be called every few seconds."""

    def close(self) -> None:
        """Release the store; nothing is cached from now on."""


@dataclass(slots=True)
class RecoveryReport:
    """How many orphan files, lost blocks and foreign folders were removed."""

    orphans: int = 0
    lost: int = 0
    folders: int = 0


class BackingStore(Parts, Protocol):
    """Its parts and methods raise StoreError, and its `faults` where what it is made of fails."""

    faults: ClassVar[tuple[type[Exception], ...]]

    def is_damage(self, error: Exception) -> bool:
        """Whether this fault means that what is stored cannot be used any more, and has to be set aside."""

    def is_replacement(self, error: Exception) -> bool:
        """Whether this fault means that another store has taken this one's place, and has to be opened."""

    def check(self, is_stopping: Callable[[], bool]) -> RecoveryReport:
        """Remove what a crash left behind. Nothing may be written meanwhile."""

    def tend(self, now: float) -> None:
        """Expire what is too old at `now`, in seconds since the epoch, and whatever else time brings."""

    def probe(self) -> None:
        """Write as `blocks.keep` does, and take it back. Raises what that would."""

    def set_aside(self) -> None:
        """Give up what is stored, and close: the next one to be opened is empty."""

    def close(self) -> None:
        """Release it."""
