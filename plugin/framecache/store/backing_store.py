"""A store that can fail, as `ResilientStore` looks after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from framecache.store.store import Parts


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
