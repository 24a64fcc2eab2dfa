"""Which of some instances are to be in the cache before anybody asks for them: one question to Orthanc for many."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from framecache.orthanc.arrivals import Arrivals
from framecache.orthanc.instance import DescribedInstance
from framecache.policy.policy import Policy
from framecache.policy.rule import Described, Turn
from framecache.ports import OrthancApi

logger = logging.getLogger(__name__)

_Described = TypeVar("_Described", bound=Described)


class Admission:
    """Asks Orthanc's database, not the stored files."""

    def __init__(self, api: OrthancApi, policy: Policy) -> None:
        self._arrivals, self._policy = Arrivals(api, policy.tags), policy

    def sift(self, orthanc_ids: Sequence[str], *, on_demand: bool = False) -> Iterator[tuple[DescribedInstance, Turn]]:
        """Those of a few hundred instances that the rules want, with what they say of their turn.

        With `on_demand` also those that wait for a viewer: somebody has opened their study. What is gone is not among
        them. Raises SourceError where Orthanc does not tell.
        """
        return self.choose(self._arrivals.of(orthanc_ids, self.complain), on_demand=on_demand)

    def choose(self, instances: Iterable[_Described], *, on_demand: bool = False) -> Iterator[tuple[_Described, Turn]]:
        """The same of those that are known already."""
        for one in instances:
            treatment = self._policy.decide(one)
            if treatment.is_kept_at_arrival or (on_demand and treatment.is_kept):
                yield one, treatment.priority

    def complain(self, error: Exception) -> None:
        """An instance cannot be understood."""
        logger.warning("ignoring an instance: %s", error)
