"""The export of what Orthanc has into a static archive, as shared work: one piece for each stored file."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice

from framecache.cluster.archive_rules import ArchiveRules
from framecache.cluster.piece import Piece, Plan, Unfit
from framecache.cluster.stored_sources import StoredSources
from framecache.errors import FOR_A_WHILE, FOR_GOOD, InstanceGone, NotFound, reason
from framecache.orthanc.instance import Instance
from framecache.orthanc.instance_index import InstanceIndex
from framecache.orthanc.studies import Studies, Study
from framecache.ports import Clock, OrthancApi
from framecache.tree.tree import Tree
from framecache.tree.writer import Outcome, Skipped

logger = logging.getLogger(__name__)

EXPORT, EXPORT_ALL = "export", "export-all"
_FORM = "archive"
_STUDIES = 10  # of one step


class ArchiveExport:
    """Newest studies first. Lists and metadata of a study are derived some seconds after its last piece."""

    def __init__(
        self, api: OrthancApi, tree: Tree, sources: StoredSources, clock: Clock, rules: ArchiveRules | None = None
    ) -> None:
        """Without `rules`, all is exported."""
        self._studies, self._index = Studies(api), InstanceIndex(api)
        self._tree, self._sources, self._clock, self._rules = tree, sources, clock, rules

    def total(self) -> int | None:
        """How many instances there are. Raises SourceError."""
        return self._studies.number_of_instances()

    def plan(self, bookmark: str) -> Plan | None:
        """The instances of the next studies. Raises SourceError, also if no node tells its rules."""
        if self._rules is not None:
            self._rules.ask()
        today = datetime.fromtimestamp(self._clock.time()).date()
        found = list(islice(self._studies.newest_first(bookmark, today), _STUDIES))
        if not found:
            return None
        pieces = list(self._pieces(found))
        return Plan(pieces, found[-1].bookmark, len(pieces), found[-1].study_date)

    def do(self, piece: Piece) -> int:
        """Add it, unless it is gone or another version by now, or the rules leave it out.

        Raises Unreachable, SourceError, OSError, NotHere, Unfit.
        """
        try:
            outcome = self._add(piece)
            if outcome is None or (isinstance(outcome, Skipped) and self._instance(piece) is None):
                return 0
        except (NotFound, InstanceGone):
            return 0
        if isinstance(outcome, Skipped):
            raise _fault(outcome)
        return piece.size

    def settle(self, subject: str) -> None:
        """Derive what the archive shows of a study. Raises ArchiveError."""
        self._tree.derive(subject)

    def _add(self, piece: Piece) -> Outcome | None:
        instance = self._instance(piece)
        sources = [] if instance is None else [self._sources.source(instance)]
        outcomes = list(self._tree.add(sources, derive=False))
        return outcomes[0] if outcomes else None

    def _instance(self, piece: Piece) -> Instance | None:
        for instance in self._index.with_uid_of(piece.orthanc_id):
            if (instance.orthanc_id, instance.attachment_uuid) == (piece.orthanc_id, piece.attachment_uuid):
                return instance if self._rules is None or self._rules.admit(instance) else None
        return None

    def _pieces(self, studies: Sequence[Study]) -> Iterator[Piece]:
        for page in self._studies.content(studies, self._complain):
            for one in page:
                study = one.path.study_instance_uid
                yield Piece(one.orthanc_id, one.attachment_uuid, one.file_size, _FORM, study)

    @staticmethod
    def _complain(error: Exception) -> None:
        logger.warning("the export leaves out an instance: %s", reason(error))


def _fault(skipped: Skipped) -> Exception:
    """Why a piece could not be added: Unfit where it is of no use to try again."""
    error = skipped.error
    may_pass = isinstance(error, FOR_A_WHILE) and not isinstance(error, FOR_GOOD)
    return error if error is not None and may_pass else Unfit(skipped.reason)
