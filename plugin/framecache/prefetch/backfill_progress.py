"""What the backfill is to do, and how far it is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self

from framecache.config.reading import Hours


@dataclass(frozen=True, slots=True)
class Plan:
    """What the settings say: whether it starts by itself, when it may run and how much it may take.

    `rate` is in bytes a second (0: as fast as it can), `newest_days` of studies (0: all), `share` of the cache's size.
    """

    starts: bool
    hours: Hours
    rate: float
    newest_days: int
    share: float


@dataclass(slots=True)
class Progress:
    """How far it is. `looked_at` counts instances, `cached` those of them that were brought in, `size` their bytes."""

    bookmark: str = ""
    is_paused: bool = False
    looked_at: int = 0
    cached: int = 0
    size: int = 0

    def to_text(self) -> str:
        """As a note of the store."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str | None) -> Self:
        """The other way; what cannot be read is a beginning."""
        try:
            values = json.loads(text or "{}")
            progress = cls(**values)
            is_right = all(type(value) is type(getattr(cls(), name)) for name, value in values.items())
        except (ValueError, TypeError, AttributeError, RecursionError):
            return cls()
        return progress if is_right else cls()
