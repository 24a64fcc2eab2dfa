"""Why an instance is queued, its ticket in the queue, and the task that a worker makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import NamedTuple

from framecache.instances.entry import Entry
from framecache.policy.rule import Turn


class Priority(IntEnum):
    """What goes first. At the same priority the stored forms of all instances go before the small form of any."""

    VIEWER = 0
    """A viewer waits for a frame of it."""
    OPENED = 1
    """A viewer has opened something else of its series or study."""
    ARRIVED_HIGH = 2
    ARRIVED = 3
    ARRIVED_LOW = 4
    WARMED = 5
    """Somebody asked for it to be cached."""
    PRIOR = 6
    """It is of an earlier study of a patient of whom a new one has arrived."""
    BACKFILL = 7
    """It is cached only while nothing else is, and pushes nothing out."""

    @property
    def is_arrival(self) -> bool:
        """Whether nobody has asked for it yet."""
        return self in ARRIVALS.values()


# By what rules say of an instance that has arrived.
ARRIVALS: Mapping[Turn, Priority] = MappingProxyType(
    {"high": Priority.ARRIVED_HIGH, "normal": Priority.ARRIVED, "low": Priority.ARRIVED_LOW}
)


class Ticket(NamedTuple):
    """Where an instance stands in the queue: the smaller one goes first.

    `step` is the number of its forms that are cached already. It waits since `since` (monotonic seconds), and its work
    was interrupted by a new version of it, or by a lack of memory, `attempt` times.
    """

    priority: Priority
    step: int
    order: int
    since: float
    attempt: int
    orthanc_id: str

    @property
    def is_background(self) -> bool:
        """Whether it waits until nothing else is to be done."""
        return self.priority == Priority.BACKFILL

    @property
    def is_asked_for(self) -> bool:
        """Whether neither Orthanc's log of changes, nor a job, nor the backfill's bookmark tells of it."""
        return self.priority in (Priority.VIEWER, Priority.OPENED, Priority.PRIOR)


@dataclass(slots=True, eq=False)
class Task:
    """Work on one form of an instance, begun at `since` (monotonic seconds).

    There is no `entry`, and so no decision what is to be done, before Orthanc has described the instance. One that
    `is_cancelled` is to end and to take all back; one that `is_outdated` may be on a version that is there no more.
    """

    ticket: Ticket
    since: float
    entry: Entry | None = None
    form_key: str = ""
    is_cancelled: bool = False
    is_outdated: bool = False

    @property
    def orthanc_id(self) -> str:
        """Of the instance."""
        return self.ticket.orthanc_id

    @property
    def priority(self) -> Priority:
        """Why it is cached."""
        return self.ticket.priority

    @property
    def queued(self) -> float:
        """Since when it had waited (monotonic seconds)."""
        return self.ticket.since

    @property
    def cached_frames(self) -> int:
        """Its frames in that form that are cached already."""
        return sum(form == self.form_key for form, _ in list(self.entry.blocks)) if self.entry else 0
