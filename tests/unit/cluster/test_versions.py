"""Nodes of this version and of the one before share work, and leave to newer ones what only those know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from framecache.cluster.database import Database
from framecache.cluster.schema import LEAST, VERSION, TooNew
from procrastinate import App, SyncPsycopgConnector

from tests.unit.cluster import version_1
from tests.unit.cluster.letters import LETTERS, Letters, Node
from tests.unit.fakes import eventually

PIECE = {"orthanc_id": "id0", "attachment_uuid": "uuid0", "size": 5, "form": "", "subject": "page0", "names": []}
# What version 1 queued: a task's queue, its lock, and its arguments.
TASKS: dict[str, tuple[str, str | None, dict[str, Any]]] = {
    "framecache.plan": ("letters/plan", "letters/plan/", {"kind": LETTERS, "run": 1}),
    "framecache.piece": ("letters/piece", None, {"kind": LETTERS, "run": 1, "piece": PIECE}),
    "framecache.settle": ("letters/settle", "letters/settle/page0", {"kind": LETTERS, "subject": "page0"}),
}


def rows(dsn: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True, options=version_1.SEARCH_PATH) as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else []


def defer(dsn: str, task: str, queue: str, lock: str | None, arguments: dict[str, Any]) -> None:
    connector = SyncPsycopgConnector(conninfo=psycopg.conninfo.make_conninfo(dsn, options=version_1.SEARCH_PATH))
    with App(connector=connector).open() as app:
        app.configure_task(task, queue=queue, lock=lock, queueing_lock=lock).defer(**arguments)


@pytest.fixture
def old(dsn: str) -> str:
    """A database that a node of version 1 made."""
    version_1.make_tables(dsn)
    return dsn


@pytest.fixture
def node(old: str, tmp_path: Path) -> Iterator[Node]:
    node = Node(old, Letters(tmp_path, "new", 40, 0.05), "new")
    yield node
    node.stop()


def test_an_old_and_a_new_node_share_the_pieces_and_each_is_done_once(old: str, node: Node, tmp_path: Path) -> None:
    before = version_1.Node(old, LETTERS, tmp_path)
    node.letters.before = lambda: eventually(lambda: "old\n" in map(Path.read_text, tmp_path.iterdir()))
    before.start()
    node.work.start()
    assert eventually(lambda: (job := version_1.job_of(old, LETTERS)) is not None and job.state == "done")
    before.stop()

    signatures = [path.read_text().split() for path in tmp_path.iterdir()]
    assert len(signatures) == 40
    assert [len(names) for names in signatures] == [1] * 40
    assert {name for names in signatures for name in names} == {"old", "new"}
    assert rows(old, "SELECT done, failed, planned FROM shared_jobs") == [(40, 0, 40)]


def test_what_version_1_queued_is_done_by_this_one(old: str, node: Node) -> None:
    rows(
        old,
        "INSERT INTO shared_jobs (kind, state, bookmark, looked_at, planned)"
        " VALUES ('letters', 'running', '30', 30, 1)",
    )
    rows(old, "INSERT INTO shared_pieces (kind, run, key) VALUES ('letters', 1, 'uuid0/')")
    for task, (queue, lock, arguments) in TASKS.items():
        defer(old, task, queue, lock, arguments)

    node.work.start()
    assert eventually(lambda: rows(old, "SELECT state, done FROM shared_jobs") == [("done", 11)])
    assert eventually(lambda: "page0" in node.letters.settled)


def test_what_is_cancelled_here_is_done_for_version_1_which_begins_it_anew(old: str, node: Node) -> None:
    node.database.open()
    node.queue.begin(LETTERS, resume=True)
    node.queue.cancel(LETTERS)
    job = version_1.job_of(old, LETTERS)
    assert job is not None
    assert (job.state, job.is_planned, job.planned) == ("done", True, 0)
    assert rows(old, "SELECT count(*) FROM procrastinate_jobs") == [(0,)]


FOREIGN: list[tuple[str, dict[str, Any]]] = [
    ("framecache.other", {}),
    ("framecache.plan", {"more": 1}),
    ("framecache.piece", {"more": 1}),
    ("framecache.piece", {"piece": {**PIECE, "more": 1}}),
    ("framecache.piece", {"piece": {"orthanc_id": "id0"}}),
    ("framecache.settle", {"more": 1}),
]


def test_what_only_a_newer_node_knows_is_left_for_it(old: str, node: Node) -> None:
    node.database.open()
    node.queue.begin(LETTERS, resume=True)
    rows(old, "DELETE FROM procrastinate_jobs")
    queued = []
    for task, changed in FOREIGN:
        queue, lock, arguments = TASKS.get(task, ("letters/piece", None, {}))
        queued.append((task, arguments | changed))
        defer(old, task, queue, lock, arguments | changed)
    node.work.start()

    def left() -> list[tuple[Any, ...]]:
        return rows(
            old,
            "SELECT task_name, args FROM procrastinate_jobs"
            " WHERE status = 'todo' AND scheduled_at > now() AND queue_name LIKE 'letters/%'",
        )

    assert eventually(lambda: all(one in left() for one in queued)), left()
    assert rows(old, "SELECT failed FROM shared_jobs") == [(0,)]


def test_who_may_make_tables_in_the_schema_adds_those_of_this_version(old: str) -> None:
    for right in (
        "CREATE ROLE upgrader LOGIN",
        "GRANT USAGE, CREATE ON SCHEMA framecache TO upgrader",
        "GRANT ALL ON ALL TABLES IN SCHEMA framecache TO upgrader",
    ):
        rows(old, right)
    database = Database(old.replace("user=postgres", "user=upgrader"))
    database.open()
    database.close()
    assert rows(old, "SELECT version FROM shared_format") == [(VERSION,)]


def test_tables_of_a_newer_version_are_used_unless_they_say_that_they_cannot_be(dsn: str) -> None:
    made = Database(dsn)
    made.open()
    made.close()
    assert rows(dsn, "SELECT version, least FROM shared_format") == [(VERSION, LEAST)]
    for least, is_usable in ((VERSION, True), (VERSION + 1, False)):
        rows(dsn, f"UPDATE shared_format SET version = {VERSION + 1}, least = {least}")  # noqa: S608
        database = Database(dsn)
        if is_usable:
            database.open()
        else:
            with pytest.raises(TooNew, match="upgrade this framecache"):
                database.open()
        database.close()
    assert rows(dsn, "SELECT version FROM shared_format") == [(VERSION + 1,)]
