"""Which new instances the rules admit to the cache; one question to Orthanc for up to some hundred of them."""

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

    def __init__(self, api: OrthancApi, policy: Policy, *, remembered_seconds: float = 10.0) -> None:
        """What Orthanc tells about a series and its study is remembered for `remembered_seconds`."""
        self._arrivals = Arrivals(api, policy.tags, remembered_seconds=remembered_seconds)
        self._policy = policy

    def admit(self, orthanc_ids: Sequence[str], *, on_demand: bool = False) -> Iterator[tuple[DescribedInstance, Turn]]:
        """Those of a few hundred instances that the rules admit, each with its priority among arrivals.

        With `on_demand` also those that wait for a viewer: somebody has opened their study. What is gone is not among
        them. Raises SourceError where Orthanc does not tell.
        """
        return self.choose(self.describe(orthanc_ids), on_demand=on_demand)

    def describe(self, orthanc_ids: Sequence[str]) -> Iterator[DescribedInstance]:
        """All of them that Orthanc has. Raises SourceError where it does not tell."""
        return self._arrivals.of(orthanc_ids, self.complain)

    def choose(self, instances: Iterable[_Described], *, on_demand: bool = False) -> Iterator[tuple[_Described, Turn]]:
        """The same for instances that are described already."""
        for one in instances:
            treatment = self._policy.decide(one)
            if treatment.is_kept_at_arrival or (on_demand and treatment.is_kept):
                yield one, treatment.priority

    def complain(self, error: Exception) -> None:
        """Log that Orthanc's answer about an instance cannot be used."""
        logger.warning("ignoring an instance: %s", error)
