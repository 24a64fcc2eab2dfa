"""What goes out, and what is reported of it: in its headers and in the metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

from framecache.ports import Clock
from framecache.telemetry.metrics import Metrics, MissCause, Outcome, Route


@dataclass(slots=True)
class Answer:
    """What goes out, lent for a `with` block: a body in memory, or chunks, of `length` bytes where that is known."""

    status: int
    content_type: str
    headers: Mapping[str, str]
    body: memoryview | Iterator[memoryview]
    close: Callable[[], None] | None = None
    length: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.close is not None:
            self.close()


def lent(make: Callable[[ExitStack], Answer]) -> Answer:
    """What `make` returns; what it opens stays open until the answer is closed."""
    opened = ExitStack()
    try:
        answer = make(opened)
    except BaseException:
        opened.close()
        raise
    answer.close = opened.close
    return answer


def is_known(entity_tag: str, if_none_match: str | None) -> bool:
    """RFC 9110 section 13.1.2, with weak comparison: proxies that compress make strong tags weak."""
    if not if_none_match:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or entity_tag in tags


class Reporter:
    """Of one kind of request."""

    def __init__(
        self, metrics: Metrics, clock: Clock, route: Route, cache_control: str, *, vary: str = "Accept"
    ) -> None:
        """`route` is what the answers are counted as; `vary` names the headers of requests that they depend on."""
        self._metrics, self._route, self._cache_control, self._vary = metrics, route, cache_control, vary
        self.now = clock.monotonic

    def served(self, entity_tag: str, missed: MissCause | None, started: float) -> dict[str, str]:
        """Count an answer, and return its headers; `missed` says why the cache did not have it."""
        if missed is None:
            return self._headers(entity_tag, "hit", self.count("hit", started))
        self._metrics.missed(missed)
        return self._headers(entity_tag, "miss", self.count("miss", started))

    def found(self, entity_tag: str, started: float, *, is_hit: bool) -> dict[str, str]:
        """The same for what is no frame: the counters of hits and misses stay those of frames."""
        outcome: Outcome = "hit" if is_hit else "miss"
        return self._headers(entity_tag, outcome, self.count(outcome, started))

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
        headers = {"Cache-Control": self._cache_control, "Vary": self._vary}
        return {"ETag": entity_tag, **headers} if entity_tag else headers

    def _headers(self, entity_tag: str, found: str, seconds: float) -> dict[str, str]:
        return {
            "ETag": entity_tag,
            "Cache-Control": self._cache_control,
            "Vary": self._vary,
            "X-Frame-Cache": found,
            "Server-Timing": f"cache;desc={found};dur={seconds * 1000:.2f}",
        }
