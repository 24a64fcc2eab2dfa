"""Whose the ledger is: one that was lost, or that is of another Orthanc, is noticed and made up for.

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

logger = logging.getLogger(__name__)

_PROPERTY = 17987
_SAMPLE = 200


@dataclass(frozen=True, slots=True)
class _Mark:
    database: str
    begun: int


class Ownership:
    """Raises SourceError, sqlite3.Error."""

    def __init__(self, api: PropertyApi, ledger: Ledger, clock: Clock) -> None:
        self._api, self._index, self._ledger, self._clock = api, InstanceIndex(api), ledger, clock

    def settle(self, last: int, first: int) -> None:
        """See to it that the ledger is that of Orthanc's database, whose last change is `last`.

        A new ledger begins behind change `first`; one in place of another begins where that did, with a comparison.
        """
        mark, ledger = self._mark(), self._ledger
        if mark is not None and mark.database == ledger.database:
            return
        if mark is None and (not ledger.database or self._is_ours()):
            position = first if ledger.position is None else ledger.position
            database = ledger.database or uuid4().hex
            self._keep(_Mark(database, position))
            ledger.begin(database, position, None)
            return
        self._replace(mark, last, first)

    def _replace(self, mark: _Mark | None, last: int, first: int) -> None:
        ledger, is_lost = self._ledger, self._ledger.position is None
        why = "archive.sqlite was lost" if is_lost else "archive.sqlite was that of another Orthanc"
        logger.warning("%s: comparing the archive with Orthanc", why)
        if not is_lost:
            ledger.set_aside()
        if mark is None:
            mark = _Mark(uuid4().hex, first)
            self._keep(mark)
        ledger.begin(mark.database, min(mark.begun, last), Comparison(why, self._clock.time()))

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
