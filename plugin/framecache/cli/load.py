"""Frames asked for over several connections for some seconds, and how long each answer took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from threading import Event

from framecache.cli.errors import CommandError, ExitCode
from framecache.cli.server import Server

# As OHIF asks: the stored transfer syntax, whatever it is.
_HEADERS = {"Accept": "multipart/related; type=application/octet-stream; transfer-syntax=*"}
_OK = 200


@dataclass(frozen=True)
class LoadSample:
    """One answer: seconds from the question to its last byte. `frame_cache` is its header X-Frame-Cache, or empty."""

    seconds: float
    length: int
    status: int
    frame_cache: str

    @property
    def is_good(self) -> bool:
        return self.status == _OK


@dataclass(frozen=True)
class LoadTurn:
    """What was answered within so many `seconds`."""

    samples: Sequence[LoadSample]
    seconds: float


def load(connect: Callable[[], Server], paths: Sequence[str], connections: int, seconds: float) -> LoadTurn:
    """Ask for `paths` over and over, on each connection one after the other. Raises CommandError.

    What is under way when the time is up is waited for, so that slow answers count as well.
    """
    stop = Event()
    # Each begins elsewhere, or all would ask for the same frame at the same time.
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
    """One answer at least; none is kept in memory."""
    for path in cycle(paths):
        yield ask(server, path)
        if stop.is_set() or time.monotonic() >= until:
            return


def ask(server: Server, path: str) -> LoadSample:
    """One answer. Raises CommandError where there is none."""
    started = time.perf_counter()
    answer = server.ask("GET", path, headers=_HEADERS)
    seconds = time.perf_counter() - started
    if answer.is_redirect and not answer.headers.get("X-Frame-Cache"):
        message = f"{server.url} sends elsewhere, to {answer.headers['Location']}: give that server as --url"
        raise CommandError(message, ExitCode.USAGE)
    return LoadSample(seconds, len(answer.content), answer.status_code, answer.headers.get("X-Frame-Cache", ""))
