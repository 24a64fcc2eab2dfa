"""A store as the plugin uses it: its parts, and what looks after them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from framecache.store.parts import Blocks, Notes, Pins, Records, Space, Usage, Versions


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
