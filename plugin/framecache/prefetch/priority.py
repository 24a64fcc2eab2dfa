"""Why an instance waits to be cached, and so what goes first."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

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
