"""Counts answers, and says in their headers how they were found."""

from __future__ import annotations

from framecache.ports import Clock
from framecache.serving.answer import Answer
from framecache.telemetry.metrics import Metrics, MissCause, Outcome, Route


class Reporter:
    """Of one kind of request."""

    def __init__(self, metrics: Metrics, clock: Clock, route: Route, cache_control: str) -> None:
        """`route` is what the answers are counted as."""
        self._metrics, self._route, self._cache_control = metrics, route, cache_control
        self.now = clock.monotonic

    def served(self, entity_tag: str, missed: MissCause | None, started: float) -> dict[str, str]:
        """Count an answer, and return its headers; `missed` says why the cache did not have it."""
        if missed is None:
            return self._headers(entity_tag, "hit", self.count("hit", started))
        self._metrics.missed(missed)
        return self._headers(entity_tag, "miss", self.count("miss", started))

    def not_modified(self, entity_tag: str, started: float) -> Answer:
        """304, which has the headers that the 200 would have (RFC 9110 section 15.4.5)."""
        headers = self._headers(entity_tag, "hit", self.count("not_modified", started))
        return Answer(304, "", headers, memoryview(b""))

    def count(self, outcome: Outcome, started: float) -> float:
        """Count an answer, and return the seconds that it took."""
        seconds = self.now() - started
        self._metrics.served(self._route, outcome, seconds)
        return seconds

    def for_caches(self, entity_tag: str | None) -> dict[str, str]:
        """What tells a cache how long the answer is true; without a tag, nothing confirms that it still is."""
        headers = {"Cache-Control": self._cache_control, "Vary": "Accept"}
        return {"ETag": entity_tag, **headers} if entity_tag else headers

    def _headers(self, entity_tag: str, found: str, seconds: float) -> dict[str, str]:
        return {
            "ETag": entity_tag,
            "Cache-Control": self._cache_control,
            "Vary": "Accept",
            "X-Frame-Cache": found,
            "Server-Timing": f"cache;desc={found};dur={seconds * 1000:.2f}",
        }
