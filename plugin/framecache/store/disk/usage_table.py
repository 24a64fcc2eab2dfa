"""How much of each instance is cached: a row of sums beside the index, kept by triggers in the same transactions.

A question about thousands of studies reads a row for each instance, and not one for each of its blocks.
"""
# ruff: noqa: S608 - statements are put together of this module's own constants

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from types import MappingProxyType

from framecache.batches import batches
from framecache.store.disk.table import BATCH, Table
from framecache.store.record import Record, UnreadableRecord
from framecache.store.usage import InstanceUsage, Order, StudyUsage, StudyUsagePage, TotalUsage

# Another name with each change of the columns or of what they mean: the sums are made anew from the index then.
_NAME = "Usage1"
# In the order of the primary key the rows of a study lie together. `form` is the one that a viewer is sent first.
_COLUMNS = """
    study TEXT, study_id TEXT, series TEXT, instance TEXT, tag TEXT UNIQUE, series_id TEXT, attachment TEXT, form TEXT,
    frames INTEGER, copied INTEGER, indexed INTEGER, bytes INTEGER, viewed REAL,
    PRIMARY KEY (study, study_id, series, instance, tag)
"""
_PREFIX = "'f/' || attachment || '/' || form || '/'"
_NUMBERS = f"substr({{key}}, length({_PREFIX}) + 1)"
_COUNT = f"""
    CASE WHEN substr({{key}}, 1, length({_PREFIX})) = {_PREFIX}
    THEN CAST(substr({_NUMBERS}, instr({_NUMBERS}, '-') + 1) AS INTEGER) ELSE 0 END
"""
_IS_RECORD, _IS_BLOCK, _IS_INDEX = (f"{{key}} >= '{kind}/' AND {{key}} < '{kind}0'" for kind in "ift")
_CACHED = "CASE WHEN indexed THEN frames ELSE min(copied, frames) END"
_INSTANCE = f"tag, study_id, series_id, frames, {_CACHED}, bytes, viewed"
_STUDY = f"""
    study, study_id, count(DISTINCT series), count(*), sum(frames), sum({_CACHED}) AS cached, sum(bytes) AS size,
    max(viewed) AS seen
"""
# Equal ones are told by their UIDs, so that pages do not overlap.
_ORDERS = MappingProxyType({"LastViewed": "seen DESC NULLS LAST", "Bytes": "size DESC", "Frames": "cached DESC"})


class UsageTable:
    """The sums of one cache."""

    def __init__(self, table: Table) -> None:
        """Raises sqlite3.Error."""
        self._table = table
        if not table.rows("SELECT 1 FROM sqlite_master WHERE name = ?", (_NAME,)):
            with table.transact():
                self._begin()

    def _begin(self) -> None:
        for (name,) in self._table.rows("SELECT name FROM sqlite_master WHERE name LIKE 'Usage%' AND type = 'table'"):
            self._table.rows(f"DROP TABLE {name}")
        self._table.rows(f"CREATE TABLE {_NAME} ({_COLUMNS}) WITHOUT ROWID")
        for name, trigger in _triggers():
            self._table.rows(f"DROP TRIGGER IF EXISTS Usage_{name}")
            self._table.rows(f"CREATE TRIGGER Usage_{name} {trigger}")
        for (content,) in self._table.rows(f"SELECT value FROM Cache WHERE {_IS_RECORD.format(key='key')}"):
            with contextlib.suppress(UnreadableRecord):  # nobody else can read it either
                self.enter(Record.from_json(content))

    def enter(self, record: Record) -> None:
        """A record was written: of this version of the instance the frames count, whenever they were cached."""
        path = record.path
        values = {
            "study": path.study_instance_uid,
            "study_id": record.study_id,
            "series": path.series_instance_uid,
            "instance": path.sop_instance_uid,
            "tag": record.orthanc_id,
            "series_id": record.series_id,
            "attachment": record.attachment_uuid,
            "form": record.first_representation,
            "frames": record.number_of_frames,
        }
        count = _COUNT.replace("attachment", ":attachment").replace("form", ":form").format(key="key")
        in_blocks, in_index = _IS_BLOCK.format(key="key"), _IS_INDEX.format(key="key")
        self._table.rows(
            f"""
            INSERT OR REPLACE INTO {_NAME} SELECT
                :study, :study_id, :series, :instance, :tag, :series_id, :attachment, :form, :frames,
                (SELECT coalesce(sum({count}), 0) FROM Cache WHERE tag = :tag AND {in_blocks}),
                (SELECT count(*) FROM Cache WHERE tag = :tag AND key = 't/' || :attachment),
                (SELECT coalesce(sum(size), 0) FROM Cache WHERE tag = :tag AND ({in_blocks} OR {in_index})),
                (SELECT viewed FROM {_NAME} WHERE tag = :tag)
            """,
            values,
        )

    def total(self) -> TotalUsage:
        """The sums over the whole cache."""
        studies = f"SELECT 1 FROM {_NAME} GROUP BY study, study_id"
        query = f"SELECT count(DISTINCT series), count(*), coalesce(sum({_CACHED}), 0) FROM {_NAME}"
        return TotalUsage(len(self._table.rows(studies)), *self._table.rows(query)[0])

    def studies(self, order: Order, limit: int, offset: int, study_ids: Sequence[str] | None) -> StudyUsagePage:
        """Some of the studies, the largest values first; only those with these Orthanc IDs, if any are given."""
        condition = "" if study_ids is None else f"WHERE study_id IN ({','.join('?' * len(study_ids))})"
        groups = f"FROM {_NAME} {condition} GROUP BY study, study_id"
        ((total,),) = self._table.rows(f"SELECT count(*) FROM (SELECT 1 {groups})", study_ids or ())
        query = f"SELECT {_STUDY} {groups} ORDER BY {_ORDERS[order]}, study, study_id LIMIT ? OFFSET ?"
        found = self._table.rows(query, (*(study_ids or ()), limit, offset))
        return StudyUsagePage(total, [StudyUsage(*row) for row in found])

    def instances(self, orthanc_ids: Sequence[str]) -> dict[str, InstanceUsage]:
        """Those of these instances, by Orthanc ID. Uncached instances are omitted."""
        found = {}
        for some in batches(orthanc_ids, BATCH):
            query = f"SELECT {_INSTANCE} FROM {_NAME} WHERE tag IN ({','.join('?' * len(some))})"
            found.update({row[0]: InstanceUsage(*row) for row in self._table.rows(query, some)})
        return found


def _triggers() -> Iterator[tuple[str, str]]:
    """What changes the index changes the sums. A row that is written again keeps its key, and so its frames."""
    for name, event, row, sign in (("written", "INSERT", "NEW", "+"), ("removed", "DELETE", "OLD", "-")):
        key, size, its = f"{row}.key", f"bytes = bytes {sign} {row}.size", f"WHERE tag = {row}.tag"
        frames = f"copied = copied {sign} {_COUNT.format(key=key)}"
        index = f"indexed = indexed {sign} ({key} = 't/' || attachment)"
        when = f"AFTER {event} ON Cache WHEN {row}.tag NOT NULL AND"
        yield (
            f"block_{name}",
            f"{when} {_IS_BLOCK.format(key=key)} BEGIN UPDATE {_NAME} SET {frames}, {size} {its}; END",
        )
        yield f"index_{name}", f"{when} {_IS_INDEX.format(key=key)} BEGIN UPDATE {_NAME} SET {index}, {size} {its}; END"
    record, kept = _IS_RECORD.format(key="OLD.key"), " OR ".join((_IS_BLOCK, _IS_INDEX)).format(key="NEW.key")
    size = f"UPDATE {_NAME} SET bytes = bytes + NEW.size - OLD.size WHERE tag = NEW.tag"
    seen = f"UPDATE {_NAME} SET viewed = NEW.access_time WHERE tag = NEW.tag"
    gone = f"DELETE FROM {_NAME} WHERE tag = OLD.tag"
    yield "size", f"AFTER UPDATE OF size ON Cache WHEN NEW.tag NOT NULL AND ({kept}) BEGIN {size}; END"
    is_view = f"{record} AND NEW.access_count > OLD.access_count"
    yield "viewed", f"AFTER UPDATE OF access_count ON Cache WHEN {is_view} BEGIN {seen}; END"
    yield "forgotten", f"AFTER DELETE ON Cache WHEN {record} BEGIN {gone}; END"
    is_other = f"{record} AND NEW.tag IS NOT OLD.tag"
    yield "replaced", f"AFTER UPDATE OF tag ON Cache WHEN {is_other} BEGIN {gone}; END"
