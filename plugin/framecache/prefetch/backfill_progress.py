"""The plan of the backfill, and its progress."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal, Self

from framecache.config.reading import Hours

BackfillState = Literal["off", "running", "waiting", "paused", "full", "done"]


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings of the backfill: whether it starts by itself, when it may run and how much room it may take.

    `rate` is in bytes a second (0: as fast as it can), `newest_days` of studies (0: all), `share` of the cache's size.
    """

    starts: bool
    hours: Hours
    rate: float
    newest_days: int
    share: float


@dataclass(slots=True)
class Progress:
    """How many instances were checked (`looked_at`) and cached, and the bytes of the cached ones (`size`)."""

    bookmark: str = ""
    is_paused: bool = False
    looked_at: int = 0
    cached: int = 0
    size: int = 0

    def to_text(self) -> str:
        """The progress as a note of the store."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str | None) -> Self:
        """The inverse; an unreadable text is no progress."""
        try:
            values = json.loads(text or "{}")
            progress = cls(**values)
            is_right = all(type(value) is type(getattr(cls(), name)) for name, value in values.items())
        except (ValueError, TypeError, AttributeError, RecursionError):
            return cls()
        return progress if is_right else cls()
