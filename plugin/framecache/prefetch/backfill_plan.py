"""What the backfill may do, how far it is, and how much it may read and write now."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal, Protocol, Self

from framecache.config.reading import Hours
from framecache.ports import Clock
from framecache.prefetch.cluster_figures import ClusterFigures
from framecache.store.store import Store

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


@dataclass(frozen=True, slots=True)
class SharedProgress:
    """How far another kind of work is that workers share: `done` of `total` instances or studies, and bytes made."""

    kind: str
    is_paused: bool
    has_ended: bool
    is_cancelled: bool
    done: int
    total: int | None
    size: int


class BackfillControl(Protocol):
    """A backfill, of this node alone or shared with others, as its routes see it."""

    state: BackfillState
    reason: str
    progress: Progress
    total: int | None
    is_wanted: bool

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody, on any node, has ended it before it was done."""

    @property
    def study_date(self) -> str:
        """The date of the study that is being cached; "" before the first, and for studies without a date."""

    @property
    def seconds_left(self) -> float | None:
        """An estimate; None while there is none."""

    def start(self) -> None:
        """Start its threads."""

    def stop(self) -> None:
        """End them. Returns at once."""

    def done(self, orthanc_id: str) -> None:
        """The scheduler has nothing left to do for this instance."""

    def go_on(self) -> None:
        """Start, or resume after a pause; once done, start again from the beginning."""

    def pause(self) -> None:
        """Pause until `go_on` is called, also over a restart."""

    def cancel(self) -> None:
        """End it: a shared one begins anew when it is started again; that of one node is only paused."""

    def others(self) -> Sequence[SharedProgress]:
        """Other work that is shared in the same way; none where nothing is shared."""

    def pause_other(self, kind: str) -> None:
        """Pause such work on all machines."""

    def figures(self) -> ClusterFigures:
        """What is shared, for status and metrics; nothing where nothing is shared."""

    def resume_other(self, kind: str) -> None:
        """End its pause."""

    def cancel_other(self, kind: str) -> None:
        """End such work on all machines. Who begins it again begins anew."""


class Allowance:
    """The hours, the free room and the rate of a plan."""

    def __init__(self, plan: Plan, store: Store, clock: Clock) -> None:
        self._plan, self._store, self._clock = plan, store, clock
        self._next = 0.0

    def may_ever_fit(self, size: int) -> bool:
        """Whether an instance of `size` bytes fits into the backfill's share of an empty cache."""
        return size <= self._store.limit * self._plan.share

    def has_room(self, size: int) -> bool:
        """Whether it fits now, without evicting anything."""
        within_share = self._store.limit * self._plan.share - self._store.space.used()
        return size <= min(within_share, self._store.space.left())

    def obstacle(self, size: int) -> tuple[BackfillState, str] | None:
        """Why it may not be cached now, except for the rate."""
        if not self._plan.hours.contain(datetime.fromtimestamp(self._clock.time()).time()):
            return "waiting", "outside BackfillHours"
        if self._store.degraded is not None:
            return "waiting", f"nothing can be cached: {self._store.degraded.reason}"
        return None if self.has_room(size) else ("full", "there is no free room for the next instance")

    def spend(self, size: int, begun: float) -> None:
        """An instance of `size` bytes was cached, begun at `begun` (monotonic seconds): it counts for the rate."""
        self._next = begun + size / self._plan.rate if self._plan.rate else begun

    @property
    def seconds_left(self) -> float:
        """How long to wait for the rate; 0 or less: not at all."""
        return self._next - self._clock.monotonic()


class Pace:
    """How many instances a run has checked in how long, without the time in which it had to wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began, self._idle, self._busy, self._checked = 0.0, 0.0, 0.0, 0

    def begin(self) -> None:
        """A run begins now."""
        self._began, self._checked = self._clock.monotonic() - self._idle, 0

    def rest(self, seconds: float) -> None:
        """So long it had to wait."""
        self._idle += seconds

    def advance(self, number: int) -> None:
        """So many more instances were checked."""
        self._checked += number
        self._busy = self._clock.monotonic() - self._idle - self._began

    def seconds_for(self, number: int) -> float | None:
        """An estimate for so many more; None before the first."""
        return number * self._busy / self._checked if self._checked else None
