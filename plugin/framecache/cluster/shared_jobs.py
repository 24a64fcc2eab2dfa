"""How far each kind of shared work is: one row for each, which every node reads and every worker advances."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from psycopg import Connection
from psycopg.rows import class_row

from framecache.cluster.database import Database
from framecache.cluster.piece import Piece, Plan

SharedState = Literal["running", "paused", "done"]
_SILENCE_SECONDS = 20.0
# A newer version may add columns.
_SELECT = """
SELECT kind, run, state, bookmark, study_date, is_planned, total, looked_at, planned, done, failed, size, began,
    EXISTS (SELECT FROM cancelled_runs AS one WHERE one.kind = job.kind AND one.run = job.run) AS is_cancelled
FROM shared_jobs AS job
"""


@dataclass(frozen=True, slots=True)
class SharedJob:
    """One run of a kind of work: `planned` pieces of the `looked_at` instances of `total`, and what became of them.

    `size` is the bytes that were made. Planning continues after `bookmark` unless it `is_planned` to the end. What
    `is_cancelled` is done: nodes of version 1 know no other end.
    """

    kind: str
    run: int
    state: SharedState
    bookmark: str
    study_date: str
    is_planned: bool
    total: int | None
    looked_at: int
    planned: int
    done: int
    failed: int
    size: int
    began: datetime
    is_cancelled: bool

    @property
    def unfinished(self) -> int:
        """Pieces that wait or are at work."""
        return max(0, self.planned - self.done - self.failed)


class SharedJobs:
    """The rows. All methods raise DatabaseError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, kind: str) -> SharedJob | None:
        """The present run of a kind; None before the first."""
        with self._database.transaction() as connection:
            return self._find(connection, kind)

    def all(self) -> list[SharedJob]:
        """The present runs of all kinds."""
        with self._database.transaction() as connection, connection.cursor(row_factory=class_row(SharedJob)) as cursor:
            return cursor.execute(f"{_SELECT} ORDER BY kind").fetchall()

    def at_work(self) -> dict[str, int]:
        """How many pieces of each kind are at work now, on all machines."""
        with self._database.transaction() as connection:
            found = connection.execute(
                "SELECT split_part(queue_name, '/', 1), count(*) FROM procrastinate_jobs"
                " WHERE status = 'doing' AND queue_name LIKE '%/piece' GROUP BY 1"
            )
            return dict(found.fetchall())

    def processes(self) -> int:
        """How many processes take pieces: those that were heard of lately."""
        with self._database.transaction() as connection:
            found = connection.execute(
                "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - interval '1 second' * %s",
                [_SILENCE_SECONDS],
            )
            return int(found.fetchall()[0][0])

    def begin(self, connection: Connection[Any], kind: str, *, resume: bool) -> None:
        """Begin the first run. To `resume` ends a pause, and begins the next run of what is done."""
        connection.execute(
            "INSERT INTO shared_jobs (kind, state) VALUES (%s, 'running') ON CONFLICT DO NOTHING", [kind]
        )
        if resume:
            self._renew(connection, kind)
            connection.execute("UPDATE shared_jobs SET state = 'running' WHERE kind = %s", [kind])

    def _renew(self, connection: Connection[Any], kind: str) -> None:
        connection.execute(
            """UPDATE shared_jobs SET run = run + 1, bookmark = '', study_date = '', is_planned = false, total = NULL,
               looked_at = 0, planned = 0, done = 0, failed = 0, size = 0, began = now()
               WHERE kind = %s AND state = 'done'""",
            [kind],
        )
        for table in ("shared_pieces", "lost_pieces", "cancelled_runs"):
            connection.execute(
                f"DELETE FROM {table} AS old USING shared_jobs AS job"  # noqa: S608
                " WHERE job.kind = %s AND old.kind = job.kind AND old.run < job.run",
                [kind],
            )

    def pause(self, connection: Connection[Any], kind: str) -> None:
        """Pause it, unless it is done."""
        connection.execute("UPDATE shared_jobs SET state = 'paused' WHERE kind = %s AND state = 'running'", [kind])

    def cancel(self, connection: Connection[Any], kind: str) -> None:
        """End the run: pieces that have not ended are no part of it any more, those at work count no more."""
        job = self._find(connection, kind)
        if job is None or job.state == "done":
            return
        # In the order in which `finish` locks rows.
        connection.execute("DELETE FROM shared_pieces WHERE kind = %s AND run = %s AND ended IS NULL", [kind, job.run])
        ended = connection.execute(
            "UPDATE shared_jobs SET state = 'done', is_planned = true, planned = done + failed"
            " WHERE kind = %s AND run = %s AND state <> 'done'",
            [kind, job.run],
        )
        if ended.rowcount:
            connection.execute("INSERT INTO cancelled_runs (kind, run) VALUES (%s, %s)", [kind, job.run])

    def running(self, connection: Connection[Any], kind: str, run: int) -> SharedJob | None:
        """The row of a run that is running, locked until the end of the transaction."""
        connection.execute("SELECT 1 FROM shared_jobs WHERE kind = %s FOR UPDATE", [kind])
        job = self._find(connection, kind)
        return job if job is not None and (job.run, job.state) == (run, "running") else None

    def plan(self, connection: Connection[Any], job: SharedJob, plan: Plan | None) -> list[Piece]:
        """Note what was planned. Returns the pieces that this run did not have yet."""
        new = [piece for piece in plan.pieces if self._enter(connection, job, piece)] if plan else []
        following = plan or Plan((), job.bookmark, 0, job.study_date)
        connection.execute(
            """UPDATE shared_jobs SET bookmark = %s, study_date = %s, looked_at = looked_at + %s,
               planned = planned + %s, is_planned = %s WHERE kind = %s""",
            [following.bookmark, following.study_date, following.looked_at, len(new), plan is None, job.kind],
        )
        self._end_if_done(connection, job.kind)
        return new

    def set_total(self, kind: str, total: int | None) -> None:
        """How many instances there are to check."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE shared_jobs SET total = %s WHERE kind = %s", [total, kind])

    def finish(self, kind: str, run: int, piece: Piece, node: str, size: int, error: str | None = None) -> None:
        """It was done, or has failed for good. Only the first time counts."""
        with self._database.transaction() as connection:
            ended = connection.execute(
                """UPDATE shared_pieces SET ended = now(), node = %s, error = %s
                   WHERE kind = %s AND run = %s AND key = %s AND ended IS NULL""",
                [node, error, kind, run, piece.key],
            )
            if ended.rowcount:
                connection.execute(
                    "UPDATE shared_jobs SET done = done + %s, failed = failed + %s, size = size + %s WHERE kind = %s",
                    [int(error is None), int(error is not None), size, kind],
                )
                self._end_if_done(connection, kind)

    def state_of(self, kind: str, run: int, piece: Piece) -> SharedState:
        """Whether a piece is to be done now, later, or not at all: it has ended, or its run has."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT state FROM shared_jobs JOIN shared_pieces USING (kind, run)"
                " WHERE kind = %s AND run = %s AND key = %s AND ended IS NULL",
                [kind, run, piece.key],
            ).fetchone()
        return "done" if row is None else cast(SharedState, row[0])

    def lose(self, kind: str, run: int, piece: Piece) -> int:
        """A node died that had this piece at work; how often that has happened."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "INSERT INTO lost_pieces AS lost (kind, run, key, times) VALUES (%s, %s, %s, 1)"
                " ON CONFLICT (kind, run, key) DO UPDATE SET times = lost.times + 1 RETURNING times",
                [kind, run, piece.key],
            ).fetchone()
        return int(row[0]) if row is not None else 0

    def _find(self, connection: Connection[Any], kind: str) -> SharedJob | None:
        with connection.cursor(row_factory=class_row(SharedJob)) as cursor:
            return cursor.execute(f"{_SELECT} WHERE kind = %s", [kind]).fetchone()

    def _enter(self, connection: Connection[Any], job: SharedJob, piece: Piece) -> bool:
        entered = connection.execute(
            "INSERT INTO shared_pieces (kind, run, key) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            [job.kind, job.run, piece.key],
        )
        return bool(entered.rowcount)

    def _end_if_done(self, connection: Connection[Any], kind: str) -> None:
        connection.execute(
            "UPDATE shared_jobs SET state = 'done'"
            " WHERE kind = %s AND state = 'running' AND is_planned AND done + failed >= planned",
            [kind],
        )
