"""Descriptions of many instances at once, as rules need them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple

from framecache.errors import SourceError
from framecache.orthanc.api import post_json
from framecache.orthanc.instance import DescribedInstance
from framecache.ports import OrthancApi

_OF_SERIES = frozenset({"Modality", "StationName"})
_OF_STUDIES = frozenset({"StudyDate"})


class _ParentTags(NamedTuple):
    """The tags of a series and its study, and the time of the query (monotonic seconds)."""

    asked_at: float
    tags: dict[str, str]


class Arrivals:
    """Asks Orthanc for instances in one query, with one more for their series and one for their studies if needed.

    Orthanc answers all of them from its database.
    """

    def __init__(self, api: OrthancApi, tags: Collection[str], *, remembered_seconds: float = 10.0) -> None:
        """`tags` are the required tags of series and study; they are remembered for `remembered_seconds`.

        A long series arrives in many batches, and each answer about a series lists all of its instances.
        """
        self._api, self._remembered, self._remembered_seconds = api, dict[str, _ParentTags](), remembered_seconds
        self._wants_series, self._wants_studies = bool(_OF_SERIES & {*tags}), bool(_OF_STUDIES & {*tags})

    def of(self, orthanc_ids: Sequence[str], on_odd: Callable[[Exception], None]) -> Iterator[DescribedInstance]:
        """Describe up to some hundred instances that Orthanc has; `on_odd` receives errors of invalid answers.

        Raises SourceError.
        """
        answers = self._ask("Instance", orthanc_ids)
        parents = self._parents(sorted({str(answer.get("ParentSeries", "")) for answer in answers}))
        for answer in answers:
            try:
                described = DescribedInstance.from_bulk_content(answer, parents.get(answer.get("ParentSeries", ""), {}))
            except SourceError as error:
                on_odd(error)
            else:
                yield described

    def _parents(self, series: Sequence[str]) -> dict[str, dict[str, str]]:
        """The tags of some series and of their studies, by the Orthanc IDs of the series."""
        now, seconds = time.monotonic(), self._remembered_seconds
        known = {name: one for name, one in self._remembered.items() if now - one.asked_at < seconds}
        missing = [name for name in series if name not in known]
        known |= {name: _ParentTags(now, {}) for name in missing}
        for answer in self._ask("Series", missing) if missing and self._wants_series else []:
            known.get(answer.get("ID", ""), _ParentTags(now, {})).tags.update(answer.get("MainDicomTags", {}))
        for answer in self._ask("Study", missing) if missing and self._wants_studies else []:
            for name in known.keys() & set(answer.get("Series", [])):
                known[name].tags.update(answer.get("MainDicomTags", {}))
        self._remembered = known
        return {name: known[name].tags for name in series}

    def _ask(self, level: str, resources: Sequence[str]) -> list[dict[str, Any]]:
        body = {"Resources": list(resources), "Level": level, "Metadata": level == "Instance"}
        answers = post_json(self._api, "/tools/bulk-content", body)
        return [answer for answer in answers if isinstance(answer, dict)]
