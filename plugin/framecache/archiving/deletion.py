"""Ends instances in the archive that Orthanc has deleted: those of a study at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from framecache.archiving.ledger import Written
from framecache.dicom.identity import InstancePath
from framecache.tree.record import Record
from framecache.tree.tree import Tree

_REASON = "deleted in Orthanc"


def end_all(tree: Tree, all_written: Iterable[Written]) -> int:
    """How many were ended, wherever corrections show them. Others may write to the same archive: what is of another
    file than ours is theirs."""
    by_study: dict[str, dict[InstancePath, Written]] = defaultdict(dict)
    for written in all_written:
        by_study[written.path.study_instance_uid][written.path] = written
    return sum(_end(tree, study, ours) for study, ours in by_study.items())


def _end(tree: Tree, study: str, ours: Mapping[InstancePath, Written]) -> int:
    def is_ours(record: Record) -> bool:
        written = ours.get(record.path)
        return written is not None and record.origin.attachment_uuid in (written.attachment_uuid, written.made_of)

    return tree.end(study, is_ours, reason=_REASON)
