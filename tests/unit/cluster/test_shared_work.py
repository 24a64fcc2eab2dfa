"""Pieces of shared work are done once each, whoever stops, dies or fails meanwhile, and all nodes see how far it is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from framecache.cluster.database import Database, DatabaseError
from framecache.cluster.piece import Piece
from framecache.cluster.shared_jobs import SharedJob
from procrastinate.jobs import Job

from tests.unit.cluster.letters import LETTERS, Letters, Node
from tests.unit.fakes import eventually

NewNode = Callable[..., Node]


@pytest.fixture
def new_node(dsn: str, tmp_path: Path) -> Iterator[NewNode]:
    """Make a node, to be started by the test."""
    made: list[Node] = []

    def new(name: str = "a", number: int = 25, seconds: float = 0.0, **options: Any) -> Node:
        made.append(Node(dsn, Letters(tmp_path, name, number, seconds), name, **options))
        made[-1].database.open()
        return made[-1]

    yield new
    for node in made:
        node.stop()


def job_of(node: Node) -> SharedJob:
    job = node.queue.jobs.find(LETTERS)
    assert job is not None
    return job


def is_done(node: Node) -> bool:
    job = node.queue.jobs.find(LETTERS)
    return job is not None and job.state == "done"


def signatures(folder: Path) -> list[list[str]]:
    return [path.read_text().split() for path in sorted(folder.iterdir())]


def test_two_nodes_share_the_pieces_and_each_is_done_once(new_node: NewNode, tmp_path: Path) -> None:
    a, b = new_node("a"), new_node("b")
    for node in (a, b):
        node.letters.before = lambda: eventually(lambda: bool(a.letters.attempts) and bool(b.letters.attempts))
    a.work.start()
    b.work.start()
    assert eventually(lambda: is_done(a))

    done = signatures(tmp_path)
    assert [len(names) for names in done] == [1] * 25
    assert {name for names in done for name in names} == {"a", "b"}
    job = job_of(b)
    assert (job.total, job.looked_at, job.planned, job.done, job.failed, job.size) == (25, 25, 25, 25, 0, 125)
    assert (job.study_date, job.is_planned, job.unfinished) == ("20260101", True, 0)


def test_what_a_killed_node_had_at_work_is_done_by_another(dsn: str, new_node: NewNode, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    arguments = [sys.executable, "-m", "tests.unit.cluster.letters", dsn, str(tmp_path), "killed", "0.2"]
    with subprocess.Popen(arguments, env=environment) as killed:
        assert eventually(lambda: len(signatures(tmp_path)) > 3)
        killed.kill()
    node = new_node("other", number=60, silence_seconds=3.0)
    assert job_of(node).done < 60
    node.work.start()
    assert eventually(lambda: is_done(node))

    done = signatures(tmp_path)
    assert len(done) == 60
    assert (job_of(node).done, job_of(node).failed) == (60, 0)
    assert {names[0] for names in done} == {"killed", "other"}


def test_a_node_that_stops_leaves_its_pieces_to_others(new_node: NewNode, tmp_path: Path) -> None:
    a, b = new_node("a", seconds=0.3), new_node("b")
    a.work.start()
    assert eventually(lambda: len(signatures(tmp_path)) > 3)
    a.stop()
    assert len(signatures(tmp_path)) < 25
    b.work.start()

    assert eventually(lambda: is_done(b))
    assert [len(names) for names in signatures(tmp_path)] == [1] * 25


def test_a_pause_on_one_node_holds_all_and_ends_on_any(new_node: NewNode, tmp_path: Path) -> None:
    a, b = new_node("a", number=40, seconds=0.2), new_node("b", number=40)
    a.work.start()
    assert eventually(lambda: len(signatures(tmp_path)) > 3)
    a.queue.pause(LETTERS)
    b.work.start()
    assert eventually(lambda: not stirs(a))
    paused = job_of(a)
    assert (paused.state, paused.done < 40) == ("paused", True)
    b.queue.begin(LETTERS, resume=True)

    assert eventually(lambda: is_done(a))
    assert len(signatures(tmp_path)) == 40


def stirs(node: Node) -> bool:
    before = job_of(node).done
    return eventually(lambda: job_of(node).done > before, seconds=0.5)


def test_what_is_cancelled_on_one_node_ends_on_all_and_begins_anew(new_node: NewNode, tmp_path: Path) -> None:
    a, b = new_node("a", number=40, seconds=0.2), new_node("b", number=40)
    a.letters.broken = {"id0": 1}
    a.work.start()
    assert eventually(lambda: len(signatures(tmp_path)) > 3)
    b.queue.cancel(LETTERS)
    cancelled = job_of(a)
    assert (cancelled.state, cancelled.is_cancelled, cancelled.unfinished) == ("done", True, 0)
    assert cancelled.done < 40
    b.work.start()
    assert eventually(lambda: not is_anything_queued(a))
    assert job_of(a).done == cancelled.done

    b.queue.begin(LETTERS, resume=True)
    assert eventually(lambda: is_done(a))
    job = job_of(a)
    assert (job.run, job.is_cancelled, job.done) == (2, False, 40)


def is_anything_queued(node: Node) -> bool:
    with node.database.transaction() as connection:
        query = "SELECT FROM procrastinate_jobs WHERE queue_name IN ('letters/plan', 'letters/piece')"
        return connection.execute(query).fetchone() is not None


def test_planning_goes_on_after_a_failure_though_others_looked_for_it_meanwhile(new_node: NewNode) -> None:
    a, b = new_node("a", number=5), new_node("b", number=5)
    a.letters.plans_to_fail = b.letters.plans_to_fail = 1
    a.work.start()
    b.work.start()
    assert eventually(lambda: is_done(a))


def test_a_piece_with_which_every_node_dies_is_given_up(new_node: NewNode, tmp_path: Path) -> None:
    node = new_node(number=2)
    node.letters.broken = {"id0": -1}  # it never comes to that
    node.database.open()
    node.queue.begin(LETTERS, resume=True)
    with node.database.transaction() as connection:
        node.queue.jobs.plan(connection, job_of(node), node.letters.plan(""))
    piece = Piece("id0", "uuid0", 5, subject="page0").to_json()
    stalled = Job(
        id=1,
        queue="letters/piece",
        lock=None,
        queueing_lock=None,
        task_name="framecache.piece",
        task_kwargs={"kind": LETTERS, "run": 1, "piece": piece},
    )
    for deaths in range(3):
        assert (job_of(node).failed, deaths) == (0, deaths)
        node.queue.took_over(stalled)
    assert job_of(node).failed == 1
    with node.database.transaction() as connection:
        assert connection.execute("SELECT error FROM shared_pieces WHERE key = 'uuid0/'").fetchone() == (
            "each process that had it at work has died",
        )
    assert not list(tmp_path.iterdir())


def test_a_node_that_may_take_nothing_takes_nothing(new_node: NewNode, tmp_path: Path) -> None:
    a, b = new_node("a"), new_node("b")
    a.let(take=False)
    a.work.start()
    b.work.start()
    assert eventually(lambda: is_done(b))

    assert {name for names in signatures(tmp_path) for name in names} == {"b"}


def test_a_piece_that_fails_is_tried_again_unless_nobody_can_do_it(new_node: NewNode) -> None:
    node = new_node(number=3)
    node.letters.broken = {"id1": 1, "id2": -1}
    node.work.start()
    assert eventually(lambda: is_done(node))

    assert (job_of(node).done, job_of(node).failed) == (2, 1)
    assert sorted(node.letters.attempts) == ["id0", "id1", "id1", "id2"]


def test_a_piece_that_had_to_go_elsewhere_is_tried_as_often_as_any_other(new_node: NewNode) -> None:
    node = new_node(number=1)
    node.letters.elsewhere, node.letters.broken = {"id0": 5}, {"id0": 1}
    node.work.start()
    assert eventually(lambda: is_done(node))

    assert (job_of(node).done, job_of(node).failed) == (1, 0)
    assert len(node.letters.attempts) == 7


def test_an_outage_uses_up_no_tries_of_a_piece(new_node: NewNode) -> None:
    node = new_node(number=1, retry_seconds=0)
    node.letters.is_out = True
    node.work.start()
    assert eventually(lambda: len(node.letters.attempts) > 5, seconds=30)
    node.letters.is_out = False
    assert eventually(lambda: is_done(node), seconds=20)

    assert (job_of(node).done, job_of(node).failed) == (1, 0)


def test_what_pieces_change_together_is_settled_once_for_all_of_them(new_node: NewNode) -> None:
    node = new_node(number=25)
    node.work.start()
    assert eventually(lambda: len(node.letters.settled) == 3)

    assert sorted(node.letters.settled) == ["page0", "page10", "page20"]


def test_planning_waits_while_many_pieces_wait(new_node: NewNode) -> None:
    node = new_node(number=25, seconds=0.02, most_waiting=5)
    node.work.start()
    assert eventually(lambda: node.queue.jobs.find(LETTERS) is not None)
    most = 0
    while not is_done(node):
        most = max(most, job_of(node).unfinished)
    assert most <= 5 - 1 + 10


def test_what_is_done_begins_once_more_when_it_is_asked_for(new_node: NewNode, tmp_path: Path) -> None:
    node = new_node(number=5)
    node.work.start()
    assert eventually(lambda: is_done(node))
    node.queue.begin(LETTERS, resume=True)

    assert eventually(lambda: is_done(node) and job_of(node).run == 2)
    assert [len(names) for names in signatures(tmp_path)] == [2] * 5
    with node.database.transaction() as connection:
        rows = connection.execute("SELECT count(*) FROM shared_pieces").fetchone()
    assert rows == (5,)


def test_who_begins_anew_ends_no_pause(new_node: NewNode) -> None:
    node = new_node()
    node.queue.begin_anew(LETTERS)
    node.queue.pause(LETTERS)
    node.queue.begin_anew(LETTERS)
    assert (job_of(node).state, job_of(node).run) == ("paused", 1)

    node.queue.cancel(LETTERS)
    node.queue.begin_anew(LETTERS)
    assert (job_of(node).state, job_of(node).run) == ("running", 2)


def test_several_nodes_make_the_tables_at_once_beside_anothers(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE procrastinate_jobs (id int)")  # of another application
    first, second = Database(dsn), Database(dsn)
    first.open()
    second.open()
    with second.transaction() as connection:
        assert connection.execute("SELECT count(*) FROM framecache.shared_jobs").fetchone() == (0,)
    first.close()
    second.close()


def test_who_only_uses_the_tables_needs_no_right_to_make_any(dsn: str) -> None:
    maker = Database(dsn)
    maker.open()
    with maker.transaction() as connection:
        connection.execute("CREATE ROLE guest LOGIN")
        connection.execute("GRANT USAGE ON SCHEMA framecache TO guest")
        connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA framecache TO guest")
    guest = Database(dsn.replace("user=postgres", "user=guest"))
    guest.open()
    with guest.transaction() as connection:
        assert connection.execute("SELECT count(*) FROM shared_jobs").fetchone() == (0,)
    maker.close()
    guest.close()


def test_a_connection_string_that_is_none_is_refused_without_showing_it() -> None:
    with pytest.raises(DatabaseError) as refused:
        Database("host=a password=secret nonsense")
    assert "secret" not in str(refused.value)
