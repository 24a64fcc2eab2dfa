"""Which of some instances are to be in the cache before anybody asks for them: one question to Orthanc for many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from framecache.archive.arrivals import Arrival, Arrivals
from framecache.ports import Log, OrthancApi
from framecache.rules.policy import Policy
from framecache.rules.rule import Turn


class Sieve:
    """Asks Orthanc's database, not the stored files."""

    def __init__(self, api: OrthancApi, log: Log, policy: Policy) -> None:
        self._arrivals, self._log, self._policy = Arrivals(api, policy.tags), log, policy

    def sift(self, orthanc_ids: Sequence[str], *, on_demand: bool = False) -> Iterator[tuple[Arrival, Turn]]:
        """Those of a few hundred instances that the rules want, with what they say of their turn.

        With `on_demand` also those that wait for a viewer: somebody has opened their study. What is gone is not among
        them. Raises SourceError where Orthanc does not tell.
        """
        for arrival in self._arrivals.of(orthanc_ids, self._complain):
            treatment = self._policy.decide(arrival)
            if treatment.is_kept_at_arrival or (on_demand and treatment.is_kept):
                yield arrival, treatment.priority

    def _complain(self, error: Exception) -> None:
        self._log.warning(f"frame cache: an instance could not be looked at: {error}")
