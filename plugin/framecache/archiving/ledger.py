"""What is still to be archived, and what was: a small database of its own, which survives a crash."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from framecache.batches import batches
from framecache.dicom.identity import InstancePath

# To write an instance because it arrived, or because somebody opened it; or to end it.
Task = Literal["arrival", "write", "delete"]

_MOST_WAITING = 100_000
# An instance that could not be written is tried again after so long, then after twice as long: for 68 hours in all.
_FIRST_PAUSE, _MOST_ATTEMPTS = 30.0, 13
_BATCH = 500  # SQLite takes some thousand values
_TABLES = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS waiting (number INTEGER PRIMARY KEY AUTOINCREMENT, orthanc_id TEXT UNIQUE, task TEXT);
CREATE TABLE IF NOT EXISTS written (
    orthanc_id TEXT PRIMARY KEY, study TEXT, series TEXT, instance TEXT, attachment TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS made (orthanc_id TEXT PRIMARY KEY, attachment TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS postponed (
    orthanc_id TEXT PRIMARY KEY, task TEXT, attempts INTEGER, due REAL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS postponed_due ON postponed (due);
CREATE TABLE IF NOT EXISTS forms (orthanc_id TEXT PRIMARY KEY, attempts INTEGER, due REAL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS forms_due ON forms (due);
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS position (id INTEGER PRIMARY KEY CHECK (id = 0), sequence INTEGER);
"""


class Written(NamedTuple):
    """What the archive has of an instance: its UIDs, and the attachment that has been compared with it last.

    `made_of` is the attachment that was written: the same bytes, sent again, are another attachment.
    """

    path: InstancePath
    attachment_uuid: str
    made_of: str = ""


class Waiting(NamedTuple):
    """A task for an instance; `number` counts tasks."""

    number: int
    orthanc_id: str
    task: Task


class Comparison(NamedTuple):
    """The archive is being compared with Orthanc: why, since when (seconds since the epoch), and which study, by its
    file name, was the last; `left` studies are still to come."""

    why: str
    since: float
    after: str = ""
    left: int = 0


class Ledger:
    """Safe for several threads. Raises sqlite3.Error."""

    def __init__(self, path: Path, *, most_waiting: int = _MOST_WAITING) -> None:
        """The file is made if it is not there, or if what is there is none: that is set aside."""
        self._path, self._most_waiting, self._lock = path, most_waiting, threading.Lock()
        try:
            self._connection = _connection(path)
        except sqlite3.DatabaseError as error:
            if not is_lost(error):
                raise
            _set_aside(path)
            self._connection = _connection(path)

    def set_aside(self) -> None:
        """Begin a new one; what there is goes to a file beside it. Where that fails, all else does until it is done."""
        with self._lock:
            self._connection.close()
            _set_aside(self._path)
            self._connection = _connection(self._path)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @property
    def database(self) -> str:
        """The name of Orthanc's database that this is the ledger of; "" before the first."""
        return self._about("database")

    @property
    def archive(self) -> str:
        """The name of the archive that this is the ledger of; "" before it was noted."""
        return self._about("archive")

    def keep_archive(self, name: str) -> None:
        """It is that of this archive from now on."""
        with self._lock, self._connection as connection:
            connection.execute("REPLACE INTO about VALUES ('archive', ?)", (name,))

    def begin(self, database: str, position: int, comparison: Comparison | None) -> None:
        """It is this database's from now on, and resumes behind this change, after a comparison if there is one."""
        with self._lock, self._connection as connection:
            connection.execute("REPLACE INTO about VALUES ('database', ?)", (database,))
            connection.execute("REPLACE INTO position (id, sequence) VALUES (0, ?)", (position,))
            if comparison:
                connection.execute("REPLACE INTO about VALUES ('comparison', ?)", (json.dumps(comparison),))

    @property
    def comparison(self) -> Comparison | None:
        """The comparison that is under way."""
        found = self._about("comparison")
        return Comparison(*json.loads(found)) if found else None

    def compare(self, comparison: Comparison | None) -> None:
        """It is so far; None at its end."""
        with self._lock, self._connection as connection:
            connection.execute("REPLACE INTO about VALUES ('comparison', ?)", (json.dumps(comparison),))
            if comparison is None:
                connection.execute("DELETE FROM about WHERE name = 'comparison'")

    def add(self, tasks: Iterable[tuple[str, Task]]) -> int:
        """Let these instances wait, the later task of each instead of the earlier; how many had no room."""
        with self._lock, self._connection as connection:
            room, refused = self._most_waiting - self._count("waiting"), 0
            for orthanc_id, task in tasks:
                room -= 1
                if room < 0:
                    refused += 1
                    continue
                connection.execute("REPLACE INTO waiting (orthanc_id, task) VALUES (?, ?)", (orthanc_id, task))
            return refused

    def waiting(self, most: int) -> list[Waiting]:
        """Those that wait for longest."""
        with self._lock:
            query = "SELECT number, orthanc_id, task FROM waiting ORDER BY number LIMIT ?"
            return [Waiting(*row) for row in self._connection.execute(query, (most,))]

    def done(self, tasks: Sequence[Waiting]) -> None:
        """Nothing is left to do for these; another task for the same instance, which came meanwhile, stays."""
        with self._lock, self._connection as connection:
            connection.executemany("DELETE FROM waiting WHERE number = ?", [(task.number,) for task in tasks])

    def postpone(self, orthanc_id: str, task: Task, now: float) -> bool:
        """It could not be done: let it wait for another attempt. False if there were enough, or too many wait."""
        with self._lock, self._connection as connection:
            query = "SELECT attempts, task FROM postponed WHERE orthanc_id = ?"
            row = connection.execute(query, (orthanc_id,)).fetchone()
            attempts, known = (row[0] + 1, row[1]) if row else (1, task)
            if attempts > _MOST_ATTEMPTS or (row is None and self._count("postponed") >= self._most_waiting):
                connection.execute("DELETE FROM postponed WHERE orthanc_id = ?", (orthanc_id,))
                return False
            due = now + _FIRST_PAUSE * 2 ** (attempts - 1)
            kept = known if known == "write" else task  # what somebody opened stays opened
            connection.execute("REPLACE INTO postponed VALUES (?, ?, ?, ?)", (orthanc_id, kept, attempts, due))
            return True

    def resume(self, now: float) -> None:
        """Let those wait that were postponed until now. They stay postponed until they are given up."""
        later = "UPDATE postponed SET due = ? + ? * (1 << attempts) WHERE due <= ?"
        with self._lock, self._connection as connection:
            query = "INSERT OR IGNORE INTO waiting (orthanc_id, task) SELECT orthanc_id, task FROM postponed"
            connection.execute(f"{query} WHERE due <= ?", (now,))
            connection.execute(later, (now, _FIRST_PAUSE, now))

    def give_up(self, orthanc_id: str, task: Task | None = None) -> None:
        """It is done, or is not tried again; or not for this `task`."""
        query = "DELETE FROM postponed WHERE orthanc_id = ? AND task = coalesce(?, task)"
        with self._lock, self._connection as connection:
            connection.execute(query, (orthanc_id, task))

    def is_postponed(self, orthanc_id: str) -> bool:
        """Whether it is tried again."""
        query = "SELECT 1 FROM postponed WHERE orthanc_id = ?"
        with self._lock:
            return self._connection.execute(query, (orthanc_id,)).fetchone() is not None

    def want_form(self, orthanc_id: str, now: float) -> None:
        """Let it wait for its other form, beside what waits to be archived."""
        with self._lock, self._connection as connection:
            connection.execute("REPLACE INTO forms VALUES (?, 0, ?)", (orthanc_id, now))

    def forms(self, now: float, most: int) -> list[tuple[str, float]]:
        """Those whose other form is due, and since when; the one that waits for longest first."""
        query = "SELECT orthanc_id, due FROM forms WHERE due <= ? ORDER BY due LIMIT ?"
        with self._lock:
            return list(self._connection.execute(query, (now, most)))

    def postpone_form(self, orthanc_id: str, now: float) -> bool:
        """It could not be made: let it wait for another attempt. False if there were enough."""
        later = "UPDATE forms SET attempts = attempts + 1, due = ? + ? * (1 << attempts) WHERE orthanc_id = ?"
        with self._lock, self._connection as connection:
            row = connection.execute("SELECT attempts FROM forms WHERE orthanc_id = ?", (orthanc_id,)).fetchone()
            if row is not None and row[0] >= _MOST_ATTEMPTS:
                return False
            connection.execute(later, (now, _FIRST_PAUSE, orthanc_id))
            return True

    def form_made(self, orthanc_id: str, due: float) -> None:
        """It is made, or is not tried again; that of a newer version, which came meanwhile, still waits."""
        with self._lock, self._connection as connection:
            connection.execute("DELETE FROM forms WHERE orthanc_id = ? AND due = ?", (orthanc_id, due))

    @property
    def number_waiting(self) -> int:
        """Those that wait, now or until they are tried again."""
        everybody = " UNION ".join(f"SELECT orthanc_id FROM {table}" for table in ("waiting", "postponed", "forms"))  # noqa: S608
        with self._lock:
            return int(self._connection.execute(f"SELECT count(*) FROM ({everybody})").fetchone()[0])  # noqa: S608

    @property
    def position(self) -> int | None:
        """The change of Orthanc's log up to which all was archived; None before the first."""
        with self._lock:
            row = self._connection.execute("SELECT sequence FROM position").fetchone()
            return None if row is None else int(row[0])

    def move_to(self, sequence: int) -> None:
        """Resume behind this change."""
        with self._lock, self._connection as connection:
            connection.execute("REPLACE INTO position (id, sequence) VALUES (0, ?)", (sequence,))

    def note(self, orthanc_id: str, path: InstancePath, attachment_uuid: str, *, is_made: bool = True) -> None:
        """This version is in the archive: made of this attachment, or of the same bytes before."""
        uids = (path.study_instance_uid, path.series_instance_uid, path.sop_instance_uid)
        with self._lock, self._connection as connection:
            connection.execute("REPLACE INTO written VALUES (?, ?, ?, ?, ?)", (orthanc_id, *uids, attachment_uuid))
            if is_made:
                connection.execute("REPLACE INTO made VALUES (?, ?)", (orthanc_id, attachment_uuid))

    def written(self, orthanc_id: str) -> Written | None:
        """What the archive has of the instance, as far as it was written from here."""
        with self._lock:
            query = (
                "SELECT study, series, instance, written.attachment, coalesce(made.attachment, '')"
                " FROM written LEFT JOIN made USING (orthanc_id) WHERE orthanc_id = ?"
            )
            row = self._connection.execute(query, (orthanc_id,)).fetchone()
        return None if row is None else Written(InstancePath(*row[:3]), *row[3:])

    def written_among(self, orthanc_ids: Sequence[str]) -> int:
        """How many of these the archive has, as far as they were written from here."""
        with self._lock:
            return sum(self._count_written(some) for some in batches(orthanc_ids, _BATCH))

    def written_after(self, orthanc_id: str, most: int) -> list[str]:
        """The next instances that were written, in the order of their IDs."""
        query = "SELECT orthanc_id FROM written WHERE orthanc_id > ? ORDER BY orthanc_id LIMIT ?"
        with self._lock:
            return [row[0] for row in self._connection.execute(query, (orthanc_id, most))]

    def forget(self, orthanc_ids: Iterable[str]) -> None:
        """The archive has nothing of these any more."""
        with self._lock, self._connection as connection:
            names = [(name,) for name in orthanc_ids]
            for table in ("written", "made", "postponed", "forms"):
                connection.executemany(f"DELETE FROM {table} WHERE orthanc_id = ?", names)  # noqa: S608

    def _about(self, name: str) -> str:
        with self._lock:
            row = self._connection.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def _count_written(self, orthanc_ids: Sequence[str]) -> int:
        places = ",".join("?" * len(orthanc_ids))
        query = f"SELECT count(*) FROM written WHERE orthanc_id IN ({places})"  # noqa: S608
        return int(self._connection.execute(query, orthanc_ids).fetchone()[0])

    def _count(self, table: str) -> int:
        return int(self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608


def is_lost(error: sqlite3.Error) -> bool:
    """Whether the file is damaged, was taken away, or could not be made anew: no later attempt finds it better."""
    if isinstance(error, sqlite3.ProgrammingError):  # its connection is closed
        return True
    name = getattr(error, "sqlite_errorname", "")
    return name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_READONLY_DBMOVED"))


def _connection(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, check_same_thread=False)
    try:
        connection.executescript(_TABLES)
    except BaseException:
        connection.close()
        raise
    return connection


def _set_aside(path: Path) -> None:
    """With the files that SQLite has beside it: a new database must not find the old one's."""
    for ending in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}{ending}", f"{path}.aside{ending}")
