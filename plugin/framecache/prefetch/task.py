"""An instance in the queue, and at work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from framecache.instances.entry import Entry
from framecache.prefetch.priority import Priority


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
