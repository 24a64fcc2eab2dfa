"""Ends instances in the archive that Orthanc has deleted: whole series at once where that is the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from framecache.archiving.ledger import Written
from framecache.errors import NotFound
from framecache.tree.tree import Tree

_REASON = "deleted in Orthanc"
_SOP_INSTANCE_UID = "00080018"


def end_all(tree: Tree, all_written: Iterable[Written]) -> int:
    """How many were ended. Others may write to the same archive: what is of another file than ours is theirs."""
    by_series: dict[tuple[str, str], set[str]] = defaultdict(set)
    for written in all_written:
        path = written.path
        if _is_ours(tree, written):
            by_series[path.study_instance_uid, path.series_instance_uid].add(path.sop_instance_uid)
    return sum(_end(tree, study, series, instances) for (study, series), instances in by_series.items())


def _is_ours(tree: Tree, written: Written) -> bool:
    try:
        return tree.record(written.path).origin.attachment_uuid == written.attachment_uuid
    except NotFound:
        return False


def _end(tree: Tree, study: str, series: str, instances: set[str]) -> int:
    """A deletion derives the files of its study anew: for a series that happens once."""
    shown = {value for one in tree.instances(study, series) for value in one[_SOP_INSTANCE_UID]["Value"]}
    if shown == instances:
        return tree.delete(study, series, reason=_REASON)
    return sum(tree.delete(study, series, instance, reason=_REASON) for instance in sorted(instances))
