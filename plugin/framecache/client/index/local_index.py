"""The index: records in, instances and results of searches out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from framecache.client.collection import DicomJson, StoredInstance
from framecache.client.index.criteria import similar_columns
from framecache.client.index.database import Database
from framecache.client.index.entries import Entry
from framecache.client.index.reading import Record
from framecache.client.index.results import Results, computed_attributes
from framecache.client.index.schema import TABLES, has_key, key_column, stored_attributes
from framecache.client.index.statements import select, selected
from framecache.dicom.identity import InstancePath
from framecache.dicomweb.attributes import Level
from framecache.dicomweb.matching import Similar, key_of
from framecache.dicomweb.query import Condition, Query

_INSTANCE = """
SELECT instances.id, StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID, SOPClassUID, transfer_syntax_uid,
       directories.path, files.name, files.version, files.size, pixel_data_offset, frame_index
FROM studies JOIN series ON series.study_id = studies.id JOIN instances ON instances.series_id = series.id
     JOIN files ON files.id = instances.file_id JOIN directories ON directories.id = files.directory_id
WHERE {where} ORDER BY instances.id LIMIT 500
"""
_ENTRY = f"""
SELECT instances.id, directories.path, files.name, files.size, files.version, pixel_data_offset, frame_index,
       {", ".join(f"{table}.{column}" for table, column in selected(Level.INSTANCE))}
FROM studies JOIN series ON series.study_id = studies.id JOIN instances ON instances.series_id = series.id
     JOIN files ON files.id = instances.file_id JOIN directories ON directories.id = files.directory_id
WHERE instances.id > ? ORDER BY instances.id LIMIT 500
"""  # noqa: S608 - our names
INSTANCE, DUPLICATE, OTHER = "instance", "duplicate", "other"
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """A file as it was when it was read: an instance, another file of the same instance, or no DICOM file."""

    size: int
    version: str
    kind: str


class LocalIndex:
    """The index of one collection, in a database of its own."""

    def __init__(self, path: Path | None, tables: Sequence[str] = ()) -> None:
        """In the file `path`, or in memory. `tables` make those of whoever keeps more in its database."""
        self._database = Database(path, tables)

    @property
    def database(self) -> Database:
        """Its database, for whoever keeps more in it."""
        return self._database

    @property
    def path(self) -> Path | None:
        """The file; None in memory."""
        return self._database.path

    @property
    def is_writable(self) -> bool:
        """Whether it can be brought up to date."""
        return self._database.is_writable

    def close(self) -> None:
        """Close its connections."""
        self._database.close()

    @contextmanager
    def writing(self) -> Iterator[IndexWriter]:
        """Changes that become visible together."""
        with self._database.writing() as connection:
            yield IndexWriter(connection)

    def search(self, query: Query, base_url: str) -> list[DicomJson]:
        """The results, each with a RetrieveURL below `base_url`."""
        below = _below(query)
        computed = computed_attributes(query.level, below, query.fields, has_all=query.has_all_fields)
        results = Results(query.level, computed, base_url, below=below)
        with self._database.reading() as connection:
            conditions = tuple(_settled(connection, one) for one in query.conditions)
            statement = select(replace(query, conditions=conditions), computed)
            return [results.result(row) for row in connection.execute(statement.sql, statement.values)]

    def find(
        self, study_instance_uid: str | None, series_instance_uid: str | None, sop_instance_uid: str | None
    ) -> Iterator[StoredInstance]:
        """The instances of these UIDs, in the order in which they came into the index."""
        asked = {
            "StudyInstanceUID": study_instance_uid,
            "SeriesInstanceUID": series_instance_uid,
            "SOPInstanceUID": sop_instance_uid,
        }
        asked = {name: uid for name, uid in asked.items() if uid is not None}
        where = " AND ".join(["instances.id > ?", *(f"{name} = ?" for name in asked)])
        last, is_more = -1, True
        while is_more:
            with self._database.reading() as connection:
                rows = connection.execute(_INSTANCE.format(where=where), [last, *asked.values()]).fetchall()
            is_more = bool(rows)
            for row in rows:
                last = row[0]
                yield _stored(row)

    def entries(self) -> Iterator[Entry]:
        """All instances, in the order in which they came into the index."""
        last, is_more = -1, True
        while is_more:
            with self._database.reading() as connection:
                rows = connection.execute(_ENTRY, [last]).fetchall()
            is_more = bool(rows)
            for row in rows:
                last = row[0]
                yield _entry(row)

    def files(self, directory: str) -> dict[str, IndexedFile]:
        """What is known of the files of a directory, by their names."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT name, size, version, kind FROM files "
                "WHERE directory_id = (SELECT id FROM directories WHERE path = ?)",
                [_column(directory)],
            ).fetchall()
        return {_name(name): IndexedFile(*known) for name, *known in rows}

    def directories(self) -> set[str]:
        """The paths of all directories with files."""
        with self._database.reading() as connection:
            return {_name(path) for (path,) in connection.execute("SELECT path FROM directories")}

    def stale_files(self, most: int) -> list[tuple[str, str]]:
        """Directories and names of files that are to be read anew, as another file of their instance is gone."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT directories.path, name FROM files JOIN directories ON directories.id = directory_id "
                "WHERE duplicate_of IS NOT NULL AND version = '' LIMIT ?",
                [most],
            ).fetchall()
        return [(_name(directory), _name(name)) for directory, name in rows]

    def counts(self) -> dict[str, int]:
        """How many files there are of each kind."""
        with self._database.reading() as connection:
            return dict(connection.execute("SELECT kind, count(*) FROM files GROUP BY kind").fetchall())


class IndexWriter:
    """Writes files and their records within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ids: dict[tuple[str, ...], tuple[int, list[Any]]] = {}
        self._directories: dict[str, int] = {}

    def put(self, directory: str, name: str, file: IndexedFile, record: Record | None) -> str:
        """Write what a file is now, in the place of what it was; the kind that it was found to be."""
        self.remove(directory, [name])
        known = self._present(record)
        kind = OTHER if record is None else DUPLICATE if known else INSTANCE
        uid = record.values["SOPInstanceUID"] if record and known else None
        found = self._connection.execute(
            "INSERT INTO files (directory_id, name, size, version, kind, duplicate_of) VALUES (?, ?, ?, ?, ?, ?)",
            [self._directory(directory), _column(name), file.size, file.version, kind, uid],
        )
        if record is not None and not known:
            self._put_instance(record, found.lastrowid or 0)
        return kind

    def remove(self, directory: str, names: Iterable[str]) -> None:
        """Forget files, and the instances in them. Another file of the same instance is to be read anew."""
        for name in names:
            row = self._connection.execute(
                "SELECT files.id, instances.id, series_id, SOPInstanceUID FROM files "
                "LEFT JOIN instances ON instances.file_id = files.id "
                "WHERE directory_id = (SELECT id FROM directories WHERE path = ?) AND name = ?",
                [_column(directory), _column(name)],
            ).fetchone()
            if row is not None:
                self._remove(*row)

    def remove_directory(self, directory: str) -> int:
        """Forget a directory that is not there any more; how many files were in it."""
        names = [
            _name(name)
            for (name,) in self._connection.execute(
                "SELECT name FROM files WHERE directory_id = (SELECT id FROM directories WHERE path = ?)",
                [_column(directory)],
            ).fetchall()
        ]
        self.remove(directory, names)
        self._directories.pop(directory, None)
        self._connection.execute("DELETE FROM directories WHERE path = ?", [_column(directory)])
        return len(names)

    def remember_frames(self, instance: StoredInstance, frame_index: bytes) -> None:
        """Keep an index of frames, if the instance is still of that version."""
        directory, _, name = instance.location.rpartition("/")
        self._connection.execute(
            "UPDATE instances SET frame_index = ? WHERE file_id = (SELECT id FROM files WHERE directory_id = "
            "(SELECT id FROM directories WHERE path = ?) AND name = ? AND version = ?)",
            [frame_index, _column(directory), _column(name), instance.version],
        )

    def _remove(self, file_id: int, instance_id: int | None, series_id: int | None, uid: str | None) -> None:
        execute = self._connection.execute
        if instance_id is not None:
            execute("DELETE FROM instances WHERE id = ?", [instance_id])
            # An empty version equals none: the next look at these files reads them.
            execute("UPDATE files SET version = '' WHERE duplicate_of = ?", [uid])
            self._remove_if_empty(series_id)
        execute("DELETE FROM files WHERE id = ?", [file_id])

    def _remove_if_empty(self, series_id: int | None) -> None:
        execute = self._connection.execute
        if execute("SELECT 1 FROM instances WHERE series_id = ? LIMIT 1", [series_id]).fetchone():
            return
        (study_id,) = execute("SELECT study_id FROM series WHERE id = ?", [series_id]).fetchone()
        execute("DELETE FROM series WHERE id = ?", [series_id])
        if not execute("SELECT 1 FROM series WHERE study_id = ? LIMIT 1", [study_id]).fetchone():
            execute("DELETE FROM studies WHERE id = ?", [study_id])
        self._ids.clear()

    def _present(self, record: Record | None) -> bool:
        """Whether another file has this instance already."""
        if record is None:
            return False
        return (
            self._connection.execute(
                "SELECT 1 FROM instances JOIN series ON series.id = series_id JOIN studies ON studies.id = study_id "
                "WHERE SOPInstanceUID = ? AND SeriesInstanceUID = ? AND StudyInstanceUID = ?",
                [record.values[name] for name in reversed(_UIDS)],
            ).fetchone()
            is not None
        )

    def _directory(self, path: str) -> int:
        if path not in self._directories:
            self._connection.execute("INSERT OR IGNORE INTO directories (path) VALUES (?)", [_column(path)])
            row = self._connection.execute("SELECT id FROM directories WHERE path = ?", [_column(path)]).fetchone()
            self._directories[path] = int(row[0])
        return self._directories[path]

    def _put_instance(self, record: Record, file_id: int) -> None:
        study_id = self._parent(Level.STUDY, record, {})
        series_id = self._parent(Level.SERIES, record, {"study_id": study_id})
        row = {
            **_row(Level.INSTANCE, record),
            "series_id": series_id,
            "file_id": file_id,
            "transfer_syntax_uid": record.transfer_syntax_uid,
            "pixel_data_offset": record.pixel_data_offset,
            "frame_index": record.frame_index,
        }
        self._insert("instances", row)

    def _parent(self, level: Level, record: Record, above: dict[str, Any]) -> int:
        """The row of a study or series, with the values of the instance that was read last."""
        values = [record.values.get(one.keyword) for one in stored_attributes(level)]
        uid = str(record.values[_UIDS[level]])
        key = (uid, str(above.get("study_id")))
        known = self._ids.get(key) or self._known(level, uid, above)
        if known is None:
            known = self._insert(TABLES[level], {**_row(level, record), **above}), values
        elif known[1] != values:
            row = _row(level, record)
            assignments = ", ".join(f"{name} = ?" for name in row)
            self._connection.execute(
                f"UPDATE {TABLES[level]} SET {assignments} WHERE id = ?",  # noqa: S608 - names of columns
                [*row.values(), known[0]],
            )
            known = known[0], values
        self._ids[key] = known
        return known[0]

    def _known(self, level: Level, uid: str, above: dict[str, Any]) -> tuple[int, list[Any]] | None:
        names = [one.keyword for one in stored_attributes(level)]
        where = " AND ".join([f"{_UIDS[level]} = ?", *(f"{name} = ?" for name in above)])
        row = self._connection.execute(
            f"SELECT id, {', '.join(names)} FROM {TABLES[level]} WHERE {where}",  # noqa: S608 - names of columns
            [uid, *above.values()],
        ).fetchone()
        return None if row is None else (row[0], list(row[1:]))

    def _insert(self, table: str, row: dict[str, Any]) -> int:
        marks = ", ".join("?" * len(row))
        cursor = self._connection.execute(
            f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})",  # noqa: S608 - names of columns
            list(row.values()),
        )
        return cursor.lastrowid or 0


def _row(level: Level, record: Record) -> dict[str, Any]:
    attributes = stored_attributes(level)
    values = {one.keyword: record.values.get(one.keyword) for one in attributes}
    keys = {f"{one.keyword}_key": _key(one.vr, values[one.keyword]) for one in attributes if has_key(one)}
    return {**values, **keys}


def _key(vr: str, value: str | int | None) -> str | None:
    """The keys of a value, between backslashes: of several values, and of a name in several scripts."""
    if value in (None, ""):
        return None
    keys = [key_of(vr, one) for one in str(value).split("\\")]
    if vr == "PN":
        keys = list(dict.fromkeys(group for key in keys for group in key.split("=") if group))
    return "\\".join(keys) or None


def _settled(connection: Connection, condition: Condition) -> Condition:
    """A search for similar names as one for those that there are, as a call out of SQL for each row takes longer."""
    if not isinstance(condition.criterion, Similar) or len(condition.path) > 1:
        return condition
    table, column = TABLES[condition.attribute.level], key_column(condition.attribute)
    found = connection.execute(f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL")  # noqa: S608
    return replace(condition, criterion=similar_columns(condition.criterion, (key for (key,) in found)))


def _below(query: Query) -> Level | None:
    """The level of the resource that is searched below: a condition on its UID alone."""
    named = {one.attribute.keyword for one in query.conditions}
    if query.level is Level.STUDY or "StudyInstanceUID" not in named:
        return None
    return Level.SERIES if query.level is Level.INSTANCE and "SeriesInstanceUID" in named else Level.STUDY


def _stored(row: Sequence[Any]) -> StoredInstance:
    _, study, series, instance, sop_class, syntax, directory, name, version, size, offset, frames = row
    return StoredInstance(
        InstancePath(study, series, instance),
        sop_class or "",
        syntax,
        _location(directory, name),
        version,
        size,
        offset,
        frames,
    )


def _entry(row: Sequence[Any]) -> Entry:
    _, directory, name, size, version, offset, frames, *found = row
    names = [column for _, column in selected(Level.INSTANCE)]
    values = {keyword: value for keyword, value in zip(names, found, strict=True) if value is not None}
    syntax = values.pop("transfer_syntax_uid")
    return Entry(_location(directory, name), size, version, Record(values, syntax, offset, frames))


def _location(directory: str | bytes, name: str | bytes) -> str:
    return f"{_name(directory)}/{_name(name)}" if directory else _name(name)


def _column(name: str) -> str | bytes:
    """A name of a file as SQLite takes it: one that is no UTF-8 as bytes."""
    return name if is_unicode(name) else os.fsencode(name)


def is_unicode(name: str) -> bool:
    """Whether the name of a file is text, and not bytes that only this system reads."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _name(column: str | bytes) -> str:
    return column if isinstance(column, str) else os.fsdecode(column)
