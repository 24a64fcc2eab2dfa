"""Work that several machines share: how much faster two are, what a killed one leaves, and how soon a task is seen."""

from __future__ import annotations

import signal
import statistics
import threading
import time
from contextlib import ExitStack

import psycopg
import requests
from framecache.cluster.database import Database
from framecache.cluster.piece import Piece, Plan
from framecache.cluster.piece_queue import PieceQueue
from framecache.cluster.shared_work import SharedWork

from bench import client
from bench.cluster import cpu_seconds
from bench.figure import Figure, of_seconds
from bench.lab import Lab
from bench.probe import Probe
from bench.subject import TWO_WORKERS, WARMING_NODE, Subject
from dev.postgresql import Postgresql

JOBS, LOOKS = 10_000, 20


def export() -> Probe:
    """All instances, by one worker or two, each of which does one piece at a time."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        number = 2 if subject is TWO_WORKERS else 1
        with lab.cluster.archive() as archive, lab.cluster.workers(number, archive) as workers:
            lab.cluster.wait_until(lambda: not lab.cluster.is_done())
            lab.cluster.wait_until(lab.cluster.is_done)
            seconds = cpu_seconds(workers)
            return Figure(lab.cluster.pieces_per_second(), "instances/s", raw={"worker_cpu_seconds": seconds})

    return Probe("shared export", measure)


def killed() -> Probe:
    """Pieces that are lost, or done twice with effect, where a worker is killed in the middle."""

    def measure(lab: Lab, _: Subject) -> Figure:
        cluster = lab.cluster
        with cluster.archive() as archive, ExitStack() as stack:
            first = stack.enter_context(cluster.workers(1, archive))[0]
            cluster.wait_until(lambda: cluster.done >= cluster.number // 2)
            first.send_signal(signal.SIGKILL)
            began = time.monotonic()
            stack.enter_context(cluster.workers(1, archive, begins=False))
            cluster.wait_until(cluster.is_done)
            lost, doubled = cluster.lost_and_doubled(archive)
        raw: dict[str, object] = {"lost": lost, "doubled": doubled, "seconds_after": time.monotonic() - began}
        return Figure(lost + doubled, "pieces", raw=raw)

    return Probe("killed worker", measure)


def warmed_elsewhere() -> Probe:
    """The first frame on a node whose storage and cache are cold, of what another node has archived."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        instance, seconds = lab.bucket.stored[0], []
        with lab.bucket.emptied(WARMING_NODE) as server:
            client.get(server.url, instance.frame(1))
            _wait_until_archived(server.url)
        for number in range(1, lab.size.repeats + 1):
            with lab.bucket.emptied(subject) as server:
                seconds.append(client.get(server.url, instance.frame(number * 5)).seconds)
        return of_seconds(seconds)

    return Probe("first frame of what another node archived", measure)


def _wait_until_archived(url: str) -> None:
    for _ in range(600):
        if requests.get(f"{url}/frame-cache/status", timeout=60).json()["ArchiveWritten"]:
            return
        time.sleep(0.5)
    raise client.NotAvailable("nothing was archived")


class _Task:
    """A kind of work with one piece, which notes when it is done."""

    def __init__(self) -> None:
        self.done, self.at = threading.Event(), 0.0

    def total(self) -> int | None:
        return 1

    def plan(self, bookmark: str) -> Plan | None:
        return None if bookmark else Plan([Piece("id", "uuid", 1)], "1", 1, "")

    def do(self, piece: Piece) -> int:
        self.at = time.monotonic()
        self.done.set()
        return piece.size

    def settle(self, subject: str) -> None:
        """Nothing."""


def seen() -> Probe:
    """Seconds until an idle node is at a new task, while 10,000 of another kind are queued: the longest of some."""

    def measure(lab: Lab, _: Subject) -> Figure:
        with Postgresql(lab.suite) as postgresql:
            database = Database(postgresql.dsn)
            database.open()
            _queue_others(postgresql.dsn)
            task = _Task()
            queue = PieceQueue(database, {"new": task}, "bench")
            work = SharedWork(database, queue)
            work.start()
            waits = [_wait(queue, task) for _ in range(LOOKS)][1:]  # the first waits for the start
            work.stop()
            work.join(10)
            database.close()
        return Figure(max(waits), "s", statistics.median(waits), raw={"seconds": waits})

    return Probe("new task seen", measure)


def _queue_others(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True, options="-c search_path=framecache") as connection:
        connection.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status)"
            " SELECT 'other/piece', 'framecache.piece', '{}', 'todo' FROM generate_series(1, %s)",
            [JOBS],
        )


def _wait(queue: PieceQueue, task: _Task) -> float:
    """From when it is begun until it is at work: it is planned by the node first."""
    task.done.clear()
    time.sleep(0.3)
    began = time.monotonic()
    queue.begin("new", resume=True)
    if not task.done.wait(60):
        raise client.NotAvailable("the task was not seen")
    return task.at - began
