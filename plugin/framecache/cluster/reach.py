"""Whether what all pieces need answers: an outage of Orthanc or of the archive is waited for, and no piece's fault."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from framecache.cluster.piece import Outage
from framecache.errors import reason
from framecache.ports import Clock

logger = logging.getLogger(__name__)

_FIRST_REST, _LONGEST_REST = 1.0, 30.0  # seconds


class Reach:
    """Asks when a piece fails. Safe for several threads."""

    def __init__(self, probes: Mapping[str, Callable[[], object]], clock: Clock) -> None:
        """`probes`, by the names of what they ask, raise where that does not answer."""
        self._probes, self._clock = probes, clock
        self._lock, self._rest, self._until = threading.Lock(), 0.0, 0.0

    def may_take(self) -> bool:
        """Whether to take pieces now. In an outage a few are taken, at longer and longer intervals, to see it end."""
        return self._clock.monotonic() >= self._until

    def check(self) -> None:
        """A piece has failed. Raises Outage where none could be done."""
        for name, probe in self._probes.items():
            try:
                probe()
            except Exception as error:
                self._wait(f"{name} does not answer: {reason(error)}")
                raise Outage(f"{name} does not answer") from error

    def done(self) -> None:
        """A piece was done: nothing is out of reach."""
        self._rest = 0.0

    def _wait(self, why: str) -> None:
        """Several pieces that meet the same outage at once prolong the wait once."""
        with self._lock:
            if self.may_take():
                self._rest = min(_LONGEST_REST, 2 * self._rest or _FIRST_REST)
                self._until = self._clock.monotonic() + self._rest
                logger.warning("%s: no shared work for %.0f s", why, self._rest)
