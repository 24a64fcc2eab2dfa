"""The backfill as shared work: each instance goes into the cache of the node that takes its piece."""

from __future__ import annotations

import threading
from datetime import date, datetime, timedelta
from itertools import islice

from framecache.cluster.piece import NotHere, Piece, Plan
from framecache.errors import SourceError, Stopping
from framecache.orthanc.studies import Studies
from framecache.ports import Clock
from framecache.prefetch import backfill_plan
from framecache.prefetch.backfill_plan import Allowance
from framecache.prefetch.backfill_search import Found, Search
from framecache.prefetch.scheduler import Scheduler
from framecache.prefetch.task import Priority

_STUDIES = 10  # of one step
_PAUSE_SECONDS = 1.0


class NodeBackfill:
    """What this node plans and does. Its scheduler caches an instance while nothing else is queued there."""

    def __init__(
        self,
        studies: Studies,
        search: Search,
        scheduler: Scheduler,
        allowance: Allowance,
        plan: backfill_plan.Plan,
        clock: Clock,
    ) -> None:
        self._studies, self._search, self._scheduler = studies, search, scheduler
        self._allowance, self._newest_days, self._clock = allowance, plan.newest_days, clock
        self._changed, self._is_stopping = threading.Condition(), False
        self._at_work = set[str]()

    def total(self) -> int | None:
        """How many instances there are. Raises SourceError."""
        return self._studies.number_of_instances(self._oldest())

    def plan(self, bookmark: str) -> Plan | None:
        """The instances of the next studies that the rules admit. Raises SourceError."""
        found = list(islice(self._search.through(bookmark, self._today(), self._oldest()), _STUDIES))
        if not found:
            return None
        pieces = [piece for one in found for piece in self._pieces(one)]
        last = found[-1].study
        return Plan(pieces, last.bookmark, sum(one.number for one in found), last.study_date)

    def do(self, piece: Piece) -> int:
        """Have it cached here. Raises NotHere, SourceError, Stopping."""
        begun = self._wait_for_rate()
        if not self._allowance.has_room(piece.size):
            raise NotHere("there is no free room for the instance")
        self._have_it_cached(piece.orthanc_id)
        self._allowance.spend(piece.size, begun)
        state = self._scheduler.state(piece.orthanc_id)
        if state is not None and state.state == "failed":
            raise SourceError(state.error or "it cannot be cached")
        return piece.size if state is not None and state.state == "cached" else 0

    def settle(self, subject: str) -> None:
        """A cache has nothing that instances share."""

    def may_take(self) -> bool:
        """Whether this node may cache anything now: within its hours, and with free room."""
        return self._allowance.obstacle(0) is None

    def done(self, orthanc_id: str) -> None:
        """The scheduler has nothing left to do for this instance."""
        with self._changed:
            self._at_work.discard(orthanc_id)
            self._changed.notify_all()

    def stop(self) -> None:
        """What is at work goes to another node."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()

    def _pieces(self, found: Found) -> list[Piece]:
        return [
            Piece(one.orthanc_id, one.attachment_uuid, one.file_size)
            for one in found.wanted
            if self._allowance.may_ever_fit(one.file_size)
        ]

    def _have_it_cached(self, orthanc_id: str) -> None:
        with self._changed:
            self._at_work.add(orthanc_id)
        while not self._scheduler.submit(orthanc_id, Priority.BACKFILL):
            self._pause(_PAUSE_SECONDS)
        with self._changed:
            self._changed.wait_for(lambda: orthanc_id not in self._at_work or self._is_stopping)
        self._raise_if_stopping()

    def _wait_for_rate(self) -> float:
        """Returns when the work begins (monotonic seconds)."""
        while (seconds := self._allowance.seconds_left) > 0:
            self._pause(seconds)
        return self._clock.monotonic()

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopping, seconds)
        self._raise_if_stopping()

    def _raise_if_stopping(self) -> None:
        if self._is_stopping:
            raise Stopping

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock.time()).date()

    def _oldest(self) -> date | None:
        return self._today() - timedelta(days=self._newest_days) if self._newest_days else None
