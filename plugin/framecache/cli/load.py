"""Concurrent requests for frames, and their times."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from threading import Event
from typing import Any

from framecache.cli.errors import CommandError, ExitCode
from framecache.cli.server import Server

# OHIF's Accept header: any stored transfer syntax.
_HEADERS = {"Accept": "multipart/related; type=application/octet-stream; transfer-syntax=*"}
_OK = 200


@dataclass(frozen=True)
class LoadSample:
    """One answer: seconds from the request to its last byte. `frame_cache` is its header X-Frame-Cache, or empty."""

    seconds: float
    length: int
    status: int
    frame_cache: str

    @property
    def is_good(self) -> bool:
        return self.status == _OK


@dataclass(frozen=True)
class LoadTurn:
    """The answers of one turn of so many `seconds`."""

    samples: Sequence[LoadSample]
    seconds: float


def load(connect: Callable[[], Server], paths: Sequence[str], connections: int, seconds: float) -> LoadTurn:
    """Request `paths` repeatedly, one after the other on each connection. Raises CommandError.

    Requests in flight at the end are completed, so that slow answers count as well.
    """
    stop = Event()
    # Each starts at another path, or all would request the same frame at the same time.
    starts = [len(paths) * number // connections for number in range(connections)]
    begun = time.monotonic()
    until = begun + seconds
    with ThreadPoolExecutor(connections) as pool:
        work = [pool.submit(_ask_on, connect(), [*paths[at:], *paths[:at]], until, stop) for at in starts]
        try:
            samples = [sample for one in work for sample in one.result()]
        finally:
            stop.set()
    return LoadTurn(samples, time.monotonic() - begun)


def _ask_on(server: Server, paths: Sequence[str], until: float, stop: Event) -> list[LoadSample]:
    return list(_samples(server, paths, until, stop))


def _samples(server: Server, paths: Sequence[str], until: float, stop: Event) -> Iterator[LoadSample]:
    """At least one answer; no content is kept in memory."""
    for path in cycle(paths):
        yield ask(server, path)
        if stop.is_set() or time.monotonic() >= until:
            return


def ask(server: Server, path: str) -> LoadSample:
    """Request one path. Raises CommandError if there is no answer."""
    started = time.perf_counter()
    answer = server.ask("GET", path, headers=_HEADERS)
    seconds = time.perf_counter() - started
    if answer.is_redirect and not answer.headers.get("X-Frame-Cache"):
        message = f"{server.url} redirects to {answer.headers['Location']}: use that address as --url"
        raise CommandError(message, ExitCode.USAGE)
    return LoadSample(seconds, len(answer.content), answer.status_code, answer.headers.get("X-Frame-Cache", ""))


class Measured:
    """The results of the turns of one route."""

    def __init__(self, turns: Sequence[LoadTurn]) -> None:
        self.samples = [sample for turn in turns for sample in turn.samples]
        self._seconds = sum(turn.seconds for turn in turns)
        self._good = [sample for sample in self.samples if sample.is_good]

    @property
    def median(self) -> float | None:
        """The median time of successful answers, in seconds."""
        return self._quantile(50)

    @property
    def p99(self) -> float | None:
        """The 99th percentile in seconds; of fewer than 100 answers, the slowest."""
        return self._quantile(99)

    def _quantile(self, percent: int) -> float | None:
        times = sorted(sample.seconds for sample in self._good)
        return times[min(len(times) - 1, len(times) * percent // 100)] if times else None

    @property
    def errors(self) -> int:
        """Answers with another status than 200."""
        return len(self.samples) - len(self._good)

    @property
    def hits(self) -> int:
        """Successful answers from the cache."""
        return sum(sample.frame_cache == "hit" for sample in self._good)

    @property
    def answer_bytes(self) -> int:
        """The median length of answers, slightly more than the frame."""
        return round(statistics.median([sample.length for sample in self._good] or [0]))

    @property
    def throughput(self) -> float:
        """Bytes of successful answers per second."""
        return sum(sample.length for sample in self._good) / self._seconds

    def to_json(self) -> dict[str, Any]:
        """All figures."""
        return {
            "Answers": len(self.samples),
            "Errors": self.errors,
            "Hits": self.hits,
            "MedianSeconds": self.median,
            "P99Seconds": self.p99,
            "BytesPerSecond": round(self.throughput),
        }


def ratio(stock: float | None, cache: float | None) -> float | None:
    """The time of `stock` as a multiple of `cache`; None if either is missing."""
    return round(stock / cache, 2) if stock and cache else None
