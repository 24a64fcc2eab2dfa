"""Makes the ledger anew, if it was lost: compares what the archive has with what Orthanc has, study by study."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from itertools import groupby

from framecache.archiving.ledger import Comparison, Ledger
from framecache.errors import NotFound, SharedUids
from framecache.orthanc.instance_index import InstanceIndex
from framecache.plurals import counted
from framecache.tree.record import Record
from framecache.tree.tree import Tree

logger = logging.getLogger(__name__)


class Reconstruction:
    """Notes in the ledger what the archive has of Orthanc's files.

    What of Orthanc's files is gone there is noted, too: the audit of deletions, which knows how many are too many, then
    finds that Orthanc lacks it. Files of unknown origin, such as those of another Orthanc, are left alone.
    """

    def __init__(self, index: InstanceIndex, ledger: Ledger) -> None:
        self._index, self._ledger = index, ledger
        self._studies: Iterator[tuple[int, str, list[Record]]] | None = None
        self._unknown = 0

    def step(self, tree: Tree) -> bool:
        """Compare the next study, if a comparison is under way; whether it is. Raises SourceError, Unreachable."""
        comparison = self._ledger.comparison
        if comparison is None:
            return False
        try:
            self._compare_next(tree, comparison)
        except BaseException:
            self._studies = None
            raise
        return True

    def _compare_next(self, tree: Tree, comparison: Comparison) -> None:
        if self._studies is None:
            self._studies = tree.records_by_study(comparison.after)
        left, study, records = next(self._studies, (0, "", []))
        for _, series in groupby(sorted(records, key=_series), key=_series):
            self._note(list(series))
        self._ledger.compare(comparison._replace(after=study, left=left) if study else None)
        if not study:
            self._end()

    def _note(self, records: Sequence[Record]) -> None:
        """Records of one series."""
        path = records[0].path
        try:
            stored = self._index.files_of_series(path.study_instance_uid, path.series_instance_uid)
        except SharedUids:  # nobody can tell whose they are
            return
        except NotFound:
            stored = {}
        by_uuid = {uuid: orthanc_id for orthanc_id, uuid in stored.values()}
        for record in records:
            uuid, path = record.origin.attachment_uuid, record.path
            if uuid in by_uuid:
                self._ledger.note(by_uuid[uuid], path, uuid)
            elif uuid and record.origin.database == self._ledger.database:
                orthanc_id, _ = stored.get(path.sop_instance_uid, (_orthanc_id(record), ""))
                self._ledger.note(orthanc_id, path, uuid)
            elif uuid and path.sop_instance_uid not in stored:
                self._unknown += 1

    def _end(self) -> None:
        self._studies = None
        number, self._unknown = self._unknown, 0
        logger.warning("the archive was compared with Orthanc")
        if number:
            files = counted(number, "archived instance")
            logger.warning("Orthanc lacks %s that may be of another Orthanc: they stay in the archive", files)


def _series(record: Record) -> tuple[str, str]:
    return record.path.study_instance_uid, record.path.series_instance_uid


def _orthanc_id(record: Record) -> str:
    """As Orthanc names the instance if it has it again: the SHA-1 of the patient's ID and the three UIDs."""
    values = json.loads(record.metadata.get("00100020", "{}")).get("Value") or [""]
    uids = (record.path.study_instance_uid, record.path.series_instance_uid, record.path.sop_instance_uid)
    digest = hashlib.sha1("|".join((str(values[0]).strip(), *uids)).encode(), usedforsecurity=False).hexdigest()
    return "-".join(digest[start : start + 8] for start in range(0, 40, 8))
