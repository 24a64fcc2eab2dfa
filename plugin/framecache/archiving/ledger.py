"""What is still to be archived, and what was: a small database of its own, which survives a crash."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from framecache.dicom.identity import InstancePath

# To write an instance because it arrived, or because somebody opened it; or to end it.
Task = Literal["arrival", "write", "delete"]

_MOST_WAITING = 100_000
# An instance that could not be written is tried again after so long, then after twice as long: for two days in all.
_FIRST_PAUSE, _MOST_ATTEMPTS = 30.0, 13
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


class Ledger:
    """Safe for several threads. Raises sqlite3.Error."""

    def __init__(self, path: Path, *, most_waiting: int = _MOST_WAITING) -> None:
        """The file is made if it is not there."""
        self._most_waiting, self._lock = most_waiting, threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._connection.executescript(_TABLES)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

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
            row = connection.execute("SELECT attempts FROM postponed WHERE orthanc_id = ?", (orthanc_id,)).fetchone()
            attempts = row[0] + 1 if row else 1
            if attempts > _MOST_ATTEMPTS or (row is None and self._count("postponed") >= self._most_waiting):
                connection.execute("DELETE FROM postponed WHERE orthanc_id = ?", (orthanc_id,))
                return False
            due = now + _FIRST_PAUSE * 2 ** (attempts - 1)
            connection.execute("REPLACE INTO postponed VALUES (?, ?, ?, ?)", (orthanc_id, task, attempts, due))
            return True

    def resume(self, now: float) -> None:
        """Let those wait that were postponed until now. They stay postponed until they are written, or given up."""
        later = "UPDATE postponed SET due = ? + ? * (1 << attempts) WHERE due <= ?"
        with self._lock, self._connection as connection:
            query = "INSERT OR IGNORE INTO waiting (orthanc_id, task) SELECT orthanc_id, task FROM postponed"
            connection.execute(f"{query} WHERE due <= ?", (now,))
            connection.execute(later, (now, _FIRST_PAUSE, now))

    def give_up(self, orthanc_id: str) -> None:
        """It is not tried again."""
        with self._lock, self._connection as connection:
            connection.execute("DELETE FROM postponed WHERE orthanc_id = ?", (orthanc_id,))

    @property
    def number_waiting(self) -> int:
        """Those that wait, now or until they are tried again."""
        query = "SELECT count(*) FROM (SELECT orthanc_id FROM waiting UNION SELECT orthanc_id FROM postponed)"
        with self._lock:
            return int(self._connection.execute(query).fetchone()[0])

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
            connection.execute("DELETE FROM postponed WHERE orthanc_id = ?", (orthanc_id,))
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

    def written_after(self, orthanc_id: str, most: int) -> list[str]:
        """The next instances that were written, in the order of their IDs."""
        query = "SELECT orthanc_id FROM written WHERE orthanc_id > ? ORDER BY orthanc_id LIMIT ?"
        with self._lock:
            return [row[0] for row in self._connection.execute(query, (orthanc_id, most))]

    def forget(self, orthanc_ids: Iterable[str]) -> None:
        """The archive has nothing of these any more."""
        with self._lock, self._connection as connection:
            names = [(name,) for name in orthanc_ids]
            for table in ("written", "made", "postponed"):
                connection.executemany(f"DELETE FROM {table} WHERE orthanc_id = ?", names)  # noqa: S608

    def _count(self, table: str) -> int:
        return int(self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608
