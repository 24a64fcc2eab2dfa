"""Ends instances in the archive that Orthanc has deleted: those of a series at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from framecache.archiving.ledger import Written
from framecache.errors import NotFound
from framecache.tree.tree import Tree

_REASON = "deleted in Orthanc"


def end_all(tree: Tree, all_written: Iterable[Written]) -> int:
    """How many were ended. Others may write to the same archive: what is of another file than ours is theirs."""
    by_series: dict[tuple[str, str], set[str]] = defaultdict(set)
    for written in all_written:
        path = written.path
        if _is_ours(tree, written):
            by_series[path.study_instance_uid, path.series_instance_uid].add(path.sop_instance_uid)
    return sum(
        tree.delete_instances(study, series, instances, reason=_REASON)
        for (study, series), instances in by_series.items()
    )


def _is_ours(tree: Tree, written: Written) -> bool:
    try:
        return tree.record(written.path).origin.attachment_uuid in (written.attachment_uuid, written.made_of)
    except NotFound:
        return False
