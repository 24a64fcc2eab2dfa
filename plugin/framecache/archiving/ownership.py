"""Whose the ledger is: one that was lost, or is of another Orthanc or archive, is noticed and made up for.

The ledger lies in the cache's folder, which may be wiped or exchanged. So Orthanc's database has a mark: a name for
itself, which the ledger has as well, and the change from which on it is archived.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from uuid import uuid4

from framecache.archiving.ledger import Comparison, Ledger
from framecache.orthanc.instance_index import InstanceIndex
from framecache.ports import Clock, PropertyApi
from framecache.tree.errors import ArchiveError
from framecache.tree.tree import Tree

logger = logging.getLogger(__name__)

_PROPERTY = 17987
_SAMPLE = 200


@dataclass(frozen=True, slots=True)
class _Mark:
    database: str
    begun: int


class Ownership:
    """Raises SourceError, sqlite3.Error."""

    def __init__(self, api: PropertyApi, ledger: Ledger, clock: Clock, archive: str) -> None:
        """`archive` is the name of the one that is written now."""
        self._api, self._index, self._ledger, self._clock = api, InstanceIndex(api), ledger, clock
        self._archive = archive

    def settle(self, last: int, first: int) -> None:
        """See to it that the ledger is that of this archive and of Orthanc's database, whose last change is `last`.

        A new ledger begins behind change `first`; one in place of another begins where that did, with a comparison.
        """
        self._settle_database(last, first)
        if self._ledger.archive not in ("", self._archive):
            self._replace("`Archive` was another one", self._mark(), last, first)
        self._ledger.keep_archive(self._archive)

    def _settle_database(self, last: int, first: int) -> None:
        mark, ledger = self._mark(), self._ledger
        if mark is not None and mark.database == ledger.database:
            return
        if mark is None and (not ledger.database or self._is_ours()):
            position = first if ledger.position is None else ledger.position
            database = ledger.database or uuid4().hex
            self._keep(_Mark(database, position))
            ledger.begin(database, position, None)
            return
        is_lost = ledger.position is None
        why = "archive.sqlite was lost" if is_lost else "archive.sqlite was that of another Orthanc"
        self._replace(why, mark, last, first)

    def _replace(self, why: str, mark: _Mark | None, last: int, first: int) -> None:
        logger.warning("%s: comparing the archive with Orthanc", why)
        if self._ledger.position is not None:
            self._ledger.set_aside()
        if mark is None:
            mark = _Mark(uuid4().hex, first)
            self._keep(mark)
        self._ledger.begin(mark.database, min(mark.begun, last), Comparison(why, self._clock.time()))

    def _is_ours(self) -> bool:
        """Whether the database has files that the ledger names: then only its mark is missing, which Orthanc keeps by
        the name of the server."""
        names = self._ledger.written_after("", _SAMPLE)
        written = {name: self._ledger.written(name) for name in names}
        current = self._index.attachments(names) if names else {}
        return any(one and one.attachment_uuid == current.get(name) for name, one in written.items())

    def _mark(self) -> _Mark | None:
        try:
            found = json.loads(self._api.get_property(_PROPERTY))
            return _Mark(str(found["database"]), int(found["begun"]))
        except (ValueError, KeyError, TypeError):
            return None

    def _keep(self, mark: _Mark) -> None:
        self._api.set_property(_PROPERTY, json.dumps({"database": mark.database, "begun": mark.begun}))


def check_is_there(tree: Tree, ledger: Ledger) -> None:
    """Raise ArchiveError where what was written is gone: a disk that is not mounted must not be begun anew."""
    if ledger.written_after("", 1) and not tree.is_there():
        raise ArchiveError(
            "the archive is empty, though it was written: is its disk mounted? To begin anew, remove archive.sqlite"
        )
