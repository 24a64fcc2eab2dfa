"""What is known of each object of a bucket, and which segments say so: tables beside those of its index."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from sqlite3 import Connection

from framecache.client.bucket.segment import Statement
from framecache.tree.objects import Listed

TABLES = (
    "CREATE TABLE IF NOT EXISTS segments "
    "(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, statements INTEGER NOT NULL, missed_at REAL)",
    "CREATE TABLE IF NOT EXISTS objects (key TEXT PRIMARY KEY, modified TEXT NOT NULL, e_tag TEXT NOT NULL, "
    "size INTEGER NOT NULL, is_removed INTEGER NOT NULL, sequence INTEGER NOT NULL, segment_id INTEGER) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS objects_segment ON objects (segment_id)",
)


class StatedObjects:
    """Reads and writes the tables through a connection to the index's database."""

    def __init__(self, connection: Connection) -> None:
        self._execute = connection.execute

    def segments(self) -> dict[str, int]:
        """The segments that were read, with the number of statements in each."""
        return dict(self._execute("SELECT name, statements FROM segments").fetchall())

    def present_segments(self) -> dict[str, int]:
        """Those of them that were listed the last time."""
        return dict(self._execute("SELECT name, statements FROM segments WHERE missed_at IS NULL").fetchall())

    def add_segment(self, name: str, statements: int) -> int | None:
        """The ID of a segment that was read; None if another process has read it."""
        found = self._execute("INSERT OR IGNORE INTO segments (name, statements) VALUES (?, ?)", [name, statements])
        return found.lastrowid if found.rowcount else None

    def get(self, key: str) -> Statement | None:
        """What is known of an object, without its record."""
        row = self._execute(
            "SELECT modified, e_tag, size, is_removed, sequence FROM objects WHERE key = ?", [key]
        ).fetchone()
        if row is None:
            return None
        modified, e_tag, size, is_removed, sequence = row
        return Statement(key, modified, e_tag, size, None, bool(is_removed), sequence)

    def put(self, one: Statement, segment_id: int | None) -> None:
        """What is known from now on, by this segment; None where no segment says it."""
        self._execute(
            "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?)",
            [one.key, one.modified, one.e_tag, one.size, one.is_removed, one.sequence, segment_id],
        )

    def listed(self, key: str) -> Listed | None:
        """The object as a list would have it."""
        one = self.get(key)
        return None if one is None else Listed(key, one.size, datetime.fromisoformat(one.modified), one.e_tag)

    def present(self) -> Iterator[str]:
        """The keys of all objects that are not known to be gone."""
        return (key for (key,) in self._execute("SELECT key FROM objects WHERE NOT is_removed"))

    def count(self) -> int:
        """How many objects there are statements of."""
        return int(self._execute("SELECT count(*) FROM objects").fetchone()[0])

    def unstated(self, present: Iterable[str], late_seconds: float) -> set[str]:
        """The keys of the objects that only segments stated that are gone for `late_seconds`.

        Some stores list late what was written: the segment that others were merged into may be one of that.
        """
        self._execute("UPDATE segments SET missed_at = coalesce(missed_at, ?)", [time.time()])
        for name in present:
            self._execute("UPDATE segments SET missed_at = NULL WHERE name = ?", [name])
        return self._of_gone(late_seconds)

    def forget_segments(self, late_seconds: float) -> set[str]:
        """Forget segments that are gone for `late_seconds`; the keys of the objects that nothing else states."""
        unstated = self._of_gone(late_seconds)
        self._execute("DELETE FROM segments WHERE missed_at <= ?", [time.time() - late_seconds])
        return unstated

    def _of_gone(self, late_seconds: float) -> set[str]:
        present = "SELECT id FROM segments WHERE missed_at IS NULL OR missed_at > ?"
        unstated = f"SELECT key FROM objects WHERE segment_id NOT IN ({present})"  # noqa: S608 - our words
        return {key for (key,) in self._execute(unstated, [time.time() - late_seconds])}

    def restate(self, one: Statement, segment: str) -> None:
        """What is known of an object is said by this segment, too."""
        self._execute(
            "UPDATE objects SET segment_id = (SELECT id FROM segments WHERE name = ?) WHERE key = ?", [segment, one.key]
        )

    def forget(self, key: str) -> None:
        """Nothing is stated of an object."""
        self._execute("DELETE FROM objects WHERE key = ?", [key])
