"""What the answers of all retrieve transactions have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Protocol, Self

from framecache.dicom.identity import InstancePath
from framecache.errors import InstanceGone
from framecache.instances.catalogue import Catalogue
from framecache.instances.entry import Entry
from framecache.ports import Clock
from framecache.serving.piece import DamagedPiece
from framecache.store.buffers import BufferPool
from framecache.telemetry.metrics import Metrics, MissCause, Outcome, Route

_PATIENCE = 5.0
_TRIES = 3


@dataclass(slots=True)
class Answer:
    """What goes out, lent for a `with` block: a body, or the chunks of one that is too long to hold.

    `length` is that of all chunks in bytes, where it is known before the first of them.
    """

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


class Wanted(Protocol):
    """Who is told that a viewer had to wait for a frame."""

    def wanted(self, entry: Entry, frame_number: int) -> MissCause:
        """Bring the instance into the cache, the frames nearest to this one first. Returns why it is not there."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for, and from how many bytes on an answer is sent in chunks."""

    longest_list: int
    longest_body: int
    cache_control: str


class Responder:
    """Makes them: memory, headers, counts, and another try where a block turns out to be damaged."""

    def __init__(
        self,
        catalogue: Catalogue,
        pool: BufferPool,
        metrics: Metrics,
        clock: Clock,
        limits: Limits,
        route: Route = "frames",
    ) -> None:
        """`route` is what the answers are counted as."""
        self._catalogue, self._pool, self._metrics, self._clock = catalogue, pool, metrics, clock
        self.limits, self._route = limits, route

    def entry(self, path: InstancePath) -> Entry:
        """The instance. Raises NotFound, SourceError."""
        return self._catalogue.lookup(path)

    def now(self) -> float:
        """Seconds, for `report`."""
        return self._clock.monotonic()

    def lease(self, length: int, stack: ExitStack) -> memoryview:
        """Memory for a body, until `stack` is closed. Raises Overloaded."""
        return stack.enter_context(self._pool.lease(length, _PATIENCE))

    def lease_alone(self, length: int) -> tuple[memoryview, Callable[[], None]]:
        """The same for an answer that opens nothing else, and what gives it back. Raises Overloaded."""
        lease = self._pool.lease(length, _PATIENCE)
        return lease.__enter__(), lease.close

    def headers(self, entity_tag: str) -> dict[str, str]:
        """What goes with every answer, 304 included (RFC 9110 section 15.4.5)."""
        return {"ETag": entity_tag, "Cache-Control": self.limits.cache_control, "Vary": "Accept"}

    def report(self, *, missed: MissCause | None, started: float) -> dict[str, str]:
        """What tells how the answer was found, and counts it; `missed` says why the cache did not have it."""
        if missed is not None:
            self._metrics.missed(missed)
        outcome: Outcome = "miss" if missed else "hit"
        return _found(outcome, self.took(outcome, started))

    def took(self, outcome: Outcome, started: float) -> float:
        """Count an answer, and return the seconds that it took."""
        seconds = self.now() - started
        self._metrics.served(self._route, outcome, seconds)
        return seconds

    def not_modified(self, headers: Mapping[str, str], started: float) -> Answer:
        """304."""
        return Answer(304, "", {**headers, **_found("hit", self.took("not_modified", started))}, memoryview(b""))

    def attempt(self, make: Callable[[ExitStack], Answer]) -> Answer:
        """What `make` returns; what it opens stays open until the answer is closed.

        A damaged block is dropped when it is met, so that the next try finds the frame elsewhere. Raises DamagedPiece
        where each try meets another one.
        """
        for _ in range(_TRIES - 1):
            with suppress(DamagedPiece):
                return _made(make)
        return _made(make)

    def settled(self, make: Callable[[], Answer], path: InstancePath) -> Answer:
        """What `make` returns; an instance that is replaced meanwhile is looked up anew.

        Raises NotFound where it is gone, InstanceGone where it is replaced again and again.
        """
        for _ in range(_TRIES - 1):
            try:
                return make()
            except InstanceGone:
                self._catalogue.forget_path(path)
        return make()


def _made(make: Callable[[ExitStack], Answer]) -> Answer:
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


def _found(outcome: str, seconds: float) -> dict[str, str]:
    return {"X-Frame-Cache": outcome, "Server-Timing": f"cache;desc={outcome};dur={seconds * 1000:.2f}"}
