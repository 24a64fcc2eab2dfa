"""Orthanc's log of changes: a persistent sequence, which includes changes while the plugin was off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from framecache.errors import SourceError
from framecache.orthanc.api import get_json
from framecache.ports import OrthancApi

_PAGE = 200


@dataclass(frozen=True, slots=True)
class ChangesPage:
    """A page of the log, up to the sequence number `last`.

    New instances with sequence number and Orthanc ID, and the Orthanc IDs of new studies and series.
    """

    new_instances: Sequence[tuple[int, str]]
    new_studies: Sequence[str]
    last: int
    is_end: bool
    new_series: Sequence[str] = ()


class Changes:
    """Reads the log page by page.

    The log has no deletions: with a resource Orthanc also removes its changes.
    """

    def __init__(self, api: OrthancApi) -> None:
        self._api = api

    def last(self) -> int:
        """The sequence number of the latest change. Raises SourceError."""
        return self._ask("/changes?last").last

    def page(self, since: int) -> ChangesPage:
        """The changes after sequence number `since`. Raises SourceError.

        The page ends before `since` if the database was replaced, for example by an older copy.
        """
        return self._ask(f"/changes?since={since}&limit={_PAGE}")

    def _ask(self, uri: str) -> ChangesPage:
        answer: dict[str, Any] = get_json(self._api, uri)
        try:
            new = [(int(c["Seq"]), str(c["ID"])) for c in answer["Changes"] if c["ChangeType"] == "NewInstance"]
            studies = [str(c["ID"]) for c in answer["Changes"] if c["ChangeType"] == "NewStudy"]
            series = [str(c["ID"]) for c in answer["Changes"] if c["ChangeType"] == "NewSeries"]
            return ChangesPage(new, studies, int(answer["Last"]), bool(answer["Done"]), series)
        except (KeyError, TypeError, ValueError) as error:
            raise SourceError("Orthanc's log of changes is invalid") from error
