"""Figures of the answers of one route."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from framecache.cli.load import LoadTurn


class Measured:
    """What some turns of the same kind brought."""

    def __init__(self, turns: Sequence[LoadTurn]) -> None:
        self.samples = [sample for turn in turns for sample in turn.samples]
        self._seconds = sum(turn.seconds for turn in turns)
        self._good = [sample for sample in self.samples if sample.is_good]

    @property
    def median(self) -> float | None:
        """Of good answers, in seconds."""
        return self._quantile(50)

    @property
    def p99(self) -> float | None:
        """The 99th percentile; of fewer than 100 answers that is the slowest."""
        return self._quantile(99)

    def _quantile(self, percent: int) -> float | None:
        times = sorted(sample.seconds for sample in self._good)
        return times[min(len(times) - 1, len(times) * percent // 100)] if times else None

    @property
    def errors(self) -> int:
        """Answers that are none."""
        return len(self.samples) - len(self._good)

    @property
    def hits(self) -> int:
        """Good answers from the cache."""
        return sum(sample.frame_cache == "hit" for sample in self._good)

    @property
    def answer_bytes(self) -> int:
        """The median; a little more than the frame."""
        return round(statistics.median([sample.length for sample in self._good] or [0]))

    @property
    def throughput(self) -> float:
        """Bytes of good answers in a second."""
        return sum(sample.length for sample in self._good) / self._seconds

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "Answers": len(self.samples),
            "Errors": self.errors,
            "Hits": self.hits,
            "MedianSeconds": self.median,
            "P99Seconds": self.p99,
            "BytesPerSecond": round(self.throughput),
        }


def ratio(stock: float | None, cache: float | None) -> float | None:
    """How many times as long it takes; None where one gave no good answer."""
    return round(stock / cache, 2) if stock and cache else None
