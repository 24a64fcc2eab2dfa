"""Orthanc's log of changes: a persistent sequence, also of what happened while the plugin was off or elsewhere."""

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
    """A stretch of the log, and the number that it ends with.

    New instances by sequence number and Orthanc ID, and the Orthanc IDs of new studies.
    """

    new_instances: Sequence[tuple[int, str]]
    new_studies: Sequence[str]
    last: int
    is_end: bool


class Changes:
    """Reads the log page by page.

    It does not tell of deletions: with a resource Orthanc removes what the log said of it.
    """

    def __init__(self, api: OrthancApi) -> None:
        self._api = api

    def last(self) -> int:
        """The number of the newest change. Raises SourceError."""
        return self._ask("/changes?last").last

    def page(self, since: int) -> ChangesPage:
        """What follows the change of number `since`. Raises SourceError.

        The page ends before `since` where the database is another one, such as an older copy of it.
        """
        return self._ask(f"/changes?since={since}&limit={_PAGE}")

    def _ask(self, uri: str) -> ChangesPage:
        answer: dict[str, Any] = get_json(self._api, uri)
        try:
            new = [(int(c["Seq"]), str(c["ID"])) for c in answer["Changes"] if c["ChangeType"] == "NewInstance"]
            studies = [str(c["ID"]) for c in answer["Changes"] if c["ChangeType"] == "NewStudy"]
            return ChangesPage(new, studies, int(answer["Last"]), bool(answer["Done"]))
        except (KeyError, TypeError, ValueError) as error:
            raise SourceError("Orthanc's log of changes cannot be understood") from error
