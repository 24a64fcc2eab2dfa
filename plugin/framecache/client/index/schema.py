"""The tables, made of the list of attributes.

Each attribute of which searches are made has a column with its value as it is stored, and, where values are compared by
a key of another form, one with that: `PatientName` and `PatientName_key`. Several values are joined by backslashes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from framecache.dicomweb.attributes import ATTRIBUTES, KeyAttribute, Level
from framecache.dicomweb.matching import NUMBERS, RANGED

VERSION = 1
TABLES = ("studies", "series", "instances")
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_INDEXED = (
    ("studies", "StudyDate"),
    ("studies", "PatientID"),
    ("studies", "PatientName"),
    ("studies", "AccessionNumber"),
    ("studies", "StudyID"),
    ("series", "SeriesInstanceUID"),
    ("series", "Modality"),
    ("series", "PerformedProcedureStepStartDate"),
    ("instances", "SOPInstanceUID"),
    ("instances", "SOPClassUID"),
)


@cache  # asked for each row that is written
def stored_attributes(level: Level) -> tuple[KeyAttribute, ...]:
    """Those that a table has columns for."""
    return tuple(one for one in ATTRIBUTES if one.level is level and not one.is_computed)


def has_key(attribute: KeyAttribute) -> bool:
    """Whether values are compared by a key in a column of its own."""
    return attribute.vr in (*RANGED, "PN")


def key_column(attribute: KeyAttribute) -> str:
    """The column that is compared."""
    return f"{attribute.keyword}_key" if has_key(attribute) else attribute.keyword


def may_have_several(attribute: KeyAttribute) -> bool:
    """Whether the compared column may have several keys: values, or the representations of a name."""
    return attribute.is_multiple or attribute.vr == "PN"


@cache
def columns(level: Level) -> tuple[str, ...]:
    """The columns of the attributes of a level, keys after values."""
    attributes = stored_attributes(level)
    return (*(one.keyword for one in attributes), *(key_column(one) for one in attributes if has_key(one)))


def statements() -> Iterator[str]:
    """What makes the tables in an empty database."""
    yield "CREATE TABLE directories (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE)"
    yield (
        "CREATE TABLE files (id INTEGER PRIMARY KEY, directory_id INTEGER NOT NULL REFERENCES directories, "
        "name TEXT NOT NULL, size INTEGER NOT NULL, version TEXT NOT NULL, kind TEXT NOT NULL, "
        "duplicate_of TEXT, UNIQUE (directory_id, name))"
    )
    yield "CREATE INDEX files_duplicates ON files (duplicate_of) WHERE duplicate_of IS NOT NULL"
    yield f"CREATE TABLE studies (id INTEGER PRIMARY KEY, {_typed(Level.STUDY)}, UNIQUE (StudyInstanceUID))"
    yield (
        "CREATE TABLE series (id INTEGER PRIMARY KEY, study_id INTEGER NOT NULL REFERENCES studies, "
        f"{_typed(Level.SERIES)}, UNIQUE (study_id, SeriesInstanceUID))"
    )
    yield (
        "CREATE TABLE instances (id INTEGER PRIMARY KEY, series_id INTEGER NOT NULL REFERENCES series, "
        f"file_id INTEGER NOT NULL UNIQUE REFERENCES files, {_typed(Level.INSTANCE)}, "
        "transfer_syntax_uid TEXT NOT NULL, pixel_data_offset INTEGER, frame_index BLOB, "
        "UNIQUE (series_id, SOPInstanceUID))"
    )
    by_keyword = {(TABLES[one.level], one.keyword): one for one in ATTRIBUTES}
    for table, keyword in _INDEXED:
        column = key_column(by_keyword[table, keyword])
        yield f"CREATE INDEX {table}_{keyword} ON {table} ({column})"
        if may_have_several(by_keyword[table, keyword]):
            yield f"CREATE INDEX {table}_{keyword}_several ON {table} ({column}) WHERE instr({column}, '\\') > 0"
    yield f"PRAGMA user_version = {VERSION}"


def _typed(level: Level) -> str:
    numbers = {one.keyword for one in stored_attributes(level) if one.vr in NUMBERS}
    return ", ".join(
        f"{name} {'INTEGER' if name in numbers else 'TEXT'}{' NOT NULL' if name in _UIDS else ''}"
        for name in columns(level)
    )
