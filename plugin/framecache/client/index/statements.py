"""A search as one SQL statement; values are bound, never part of its text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from framecache.client.index.criteria import StoredAs, as_text
from framecache.client.index.schema import TABLES, columns, key_column, may_have_several
from framecache.dicomweb.attributes import KeyAttribute, Level
from framecache.dicomweb.matching import NUMBERS, AllOf, Criterion, Empty, OneOf, Range, Wildcard
from framecache.dicomweb.query import Condition, Query

_JOIN_ABOVE = (
    "",
    " JOIN studies ON studies.id = series.study_id",
    " JOIN series ON series.id = instances.series_id",
)
_SERIES_OF_STUDY = "FROM series AS other WHERE other.study_id = studies.id"
_INSTANCES_OF_STUDY = (
    "FROM series AS other JOIN instances AS one ON one.series_id = other.id WHERE other.study_id = studies.id"
)
_NOT_NULL = "IS NOT NULL"
# What no instance says by itself: a value is computed of the rows below, so that no sum is ever out of date.
COMPUTED: Mapping[str, str] = MappingProxyType(
    {
        "ModalitiesInStudy": f"(SELECT group_concat(DISTINCT other.Modality) {_SERIES_OF_STUDY})",
        "SOPClassesInStudy": f"(SELECT group_concat(DISTINCT one.SOPClassUID) {_INSTANCES_OF_STUDY})",
        "NumberOfStudyRelatedSeries": f"(SELECT count(*) {_SERIES_OF_STUDY})",
        "NumberOfStudyRelatedInstances": f"(SELECT count(*) {_INSTANCES_OF_STUDY})",
        "NumberOfSeriesRelatedInstances": "(SELECT count(*) FROM instances AS one WHERE one.series_id = series.id)",
    }
)
_SETS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        # A plus keeps SQLite from the index of that column, in which half of all series may be.
        "ModalitiesInStudy": ("+other.Modality", _SERIES_OF_STUDY),
        "SOPClassesInStudy": ("+one.SOPClassUID", _INSTANCES_OF_STUDY),
    }
)


@dataclass(slots=True)
class Statement:
    """SQL with a question mark for each of `values`."""

    sql: str
    values: list[str | int] = field(default_factory=list)


def select(query: Query, computed: tuple[str, ...]) -> Statement:
    """The rows of a search, by the order in which they came into the index; their columns are `selected`.

    The page is found first, of IDs alone: what has to be sorted or passed over is not computed.
    """
    table, wanted = TABLES[query.level], [f"{table}.{column}" for table, column in selected(query.level)]
    where = [_condition(one) for one in query.conditions]
    highest = min([query.level, *(one.attribute.level for one in query.conditions)])
    page = f"SELECT {table}.id FROM {_joined(query.level, highest)}"  # noqa: S608 - our names
    if where:
        page += " WHERE " + " AND ".join(one.sql for one in where)
    page += f" ORDER BY {table}.id LIMIT ? OFFSET ?"
    sql = (
        f"SELECT {', '.join([*wanted, *(COMPUTED[one] for one in computed)])} "  # noqa: S608 - our names
        f"FROM {_joined(query.level, Level.STUDY)} WHERE {table}.id IN ({page}) ORDER BY {table}.id"
    )
    limit = -1 if query.limit is None else query.limit
    return Statement(sql, [*(value for one in where for value in one.values), limit, query.offset])


def _joined(level: Level, highest: Level) -> str:
    """The table of `level` with those above it, up to `highest`."""
    return TABLES[level] + "".join(_JOIN_ABOVE[one] for one in range(level, highest, -1))


def selected(level: Level) -> tuple[tuple[str, str], ...]:
    """Table and column of what a search of `level` reads: all attributes of it and of the levels above."""
    found = [(TABLES[one], column) for one in Level if one <= level for column in _values(one)]
    if level is Level.INSTANCE:
        found.append(("instances", "transfer_syntax_uid"))
    return tuple(found)


def _values(level: Level) -> tuple[str, ...]:
    return tuple(column for column in columns(level) if not column.endswith("_key"))


def _condition(condition: Condition) -> Statement:
    attribute, asked = condition.attribute, condition.criterion
    column = f"{TABLES[attribute.level]}.{key_column(attribute)}"
    if isinstance(asked, StoredAs):
        return Statement(f"{column} IN (SELECT value FROM json_each(?))", [json.dumps(asked.values)])  # noqa: S608
    if condition.is_moment:
        clock = f"{TABLES[attribute.level]}.{key_column(condition.path[1])}"
        return _compared(f"({column} || coalesce({clock}, ''))", attribute, asked)
    if len(condition.path) > 1:
        nested = condition.path[1]
        return Statement(f"item_matches({column}, ?, ?, ?)", [nested.hex_tag, nested.vr, as_text(asked)])
    if attribute.keyword in _SETS:
        return _of_set(*_SETS[attribute.keyword], attribute, asked)
    if attribute.is_computed:
        return _compared(COMPUTED[attribute.keyword], attribute, asked)
    return _of_several(attribute, asked) if may_have_several(attribute) else _compared(column, attribute, asked)


def _of_set(column: str, rows: str, attribute: KeyAttribute, asked: Criterion) -> Statement:
    """What the rows below have."""
    if isinstance(asked, Empty):
        return Statement(f"NOT EXISTS (SELECT 1 {rows} AND {column} {_NOT_NULL})")
    each = [OneOf((key,)) for key in asked.keys] if isinstance(asked, AllOf) else [asked]
    parts = [_compared(column, attribute, one) for one in each]
    sql = " AND ".join(f"EXISTS (SELECT 1 {rows} AND {one.sql})" for one in parts)
    return Statement(f"({sql})", [value for one in parts for value in one.values])


def _of_several(attribute: KeyAttribute, asked: Criterion) -> Statement:
    """Most rows have one key, which an index finds; those of several are few and have an index of their own."""
    table, column = TABLES[attribute.level], key_column(attribute)
    if isinstance(asked, Empty):
        return _compared(f"{table}.{column}", attribute, asked)
    single = _compared(column, attribute, asked)
    if isinstance(asked, Wildcard):  # it would go from one value into the next
        single.sql += f" AND instr({column}, '\\') = 0"
    sql = (
        f"{table}.id IN (SELECT id FROM {table} WHERE {single.sql} "  # noqa: S608 - our names
        f"UNION ALL SELECT id FROM {table} WHERE instr({column}, '\\') > 0 AND matches({column}, ?))"
    )
    return Statement(sql, [*single.values, as_text(asked)])


def _compared(column: str, attribute: KeyAttribute, asked: Criterion) -> Statement:
    """One key, by an operator where there is one."""
    match asked:
        case OneOf(keys):
            marks = ", ".join("?" * len(keys))
            return Statement(f"{column} IN ({marks})", [_bound(attribute, key) for key in keys])
        case Range(first, last):
            return Statement(f"{column} BETWEEN ? AND ?", [first, last])
        case Wildcard(pattern):
            return Statement(f"{column} GLOB ?", [pattern.replace("[", "[[]")])
        case Empty():
            return Statement(f"({column} IS NULL OR {column} = '')")
        case _:
            return Statement(f"matches({column}, ?)", [as_text(asked)])


def _bound(attribute: KeyAttribute, key: str) -> str | int:
    return int(key) if attribute.vr in NUMBERS else key
