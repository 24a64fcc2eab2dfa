"""`framecache worker` beside real nodes: one is killed in the middle of its work, and another one goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from framecache.dicom.identity import InstancePath
from framecache.tree.tree import Tree

from dev.console import CHECKOUT
from dev.postgresql import Postgresql
from dev.sample import Sample
from tests.integration.archive import PATIENCE, Archive, wait_until

# The command, but for what it waits for: how long a worker is silent until it is taken for dead, and when lists follow.
# Longer than twice the five seconds after which nodes say that they live: they share the queue.
PROGRAM = """
import sys
from functools import partial
from framecache.cli.main import main
from framecache.cluster import worker_process

worker_process.SharedWork = partial(worker_process.SharedWork, silence_seconds=11, look_seconds=1)
worker_process.PieceQueue = partial(worker_process.PieceQueue, settle_seconds=2)
sys.exit(main())
"""


class Workers:
    """They export what `nodes` have to the archive at a URL."""

    def __init__(self, nodes: Sequence[Archive], postgresql: Postgresql, archive: str) -> None:
        self._nodes, self._dsn, self._archive = nodes, postgresql.dsn, archive

    @contextmanager
    def started(self, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        """One, which is killed at the end."""
        urls = [option for node in self._nodes for option in ("--orthanc", node.server.url)]
        command = [sys.executable, "-c", PROGRAM, "worker", *urls, "--cluster", self._dsn]
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "plugin")}
        with subprocess.Popen([*command, "--archive", self._archive, *options], env=environment) as process:
            try:
                yield process
            finally:
                process.kill()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """None before anybody has made the tables."""
        with (
            suppress(psycopg.errors.UndefinedTable),
            psycopg.connect(self._dsn, options="-c search_path=framecache") as connection,
        ):
            return connection.execute(query).fetchall()
        return []

    @property
    def state(self) -> list[tuple[Any, ...]]:
        """Of the export: its state, how many pieces are left and have failed, and how many tasks are queued."""
        queued = "SELECT count(*) FROM procrastinate_jobs WHERE queue_name LIKE 'export%'"
        return self.rows(
            f"SELECT state, planned - done - failed, failed, ({queued}) FROM shared_jobs"  # noqa: S608
            " WHERE kind LIKE 'export%'"
        )

    def kill_in_the_middle(self, process: subprocess.Popen[bytes]) -> None:
        """As soon as it has a piece at work, and has done others: it stands still while that is looked at."""

        def has_work() -> bool:
            process.send_signal(signal.SIGSTOP)
            at_work = (
                "SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing' AND queue_name LIKE 'export%/piece'"
            )
            done = "SELECT count(*) FROM shared_pieces WHERE ended IS NOT NULL AND kind LIKE 'export%'"
            if self.rows(at_work) > [(0,)] and self.rows(done) > [(0,)]:
                return True
            process.send_signal(signal.SIGCONT)
            return False

        wait_until(has_work)
        process.kill()
        process.wait()


def export_over_a_kill(workers: Workers, first: Sequence[str], second: Sequence[str]) -> None:
    """One worker with the options `first` begins and is killed, another one with those of `second` ends it."""
    with workers.started("--export", *first) as killed:
        workers.kill_in_the_middle(killed)
    [(state, left, failed, _)] = workers.state
    assert (state, left > 0, failed) == ("running", True, 0)
    with workers.started(*second) as other:
        wait_until(lambda: workers.state[0][:3] == ("done", 0, 0), lambda: str(workers.state))
        wait_until(lambda: workers.state[0][3] == 0, lambda: str(workers.state))
        other.terminate()
        assert other.wait(PATIENCE) == 0


def check_archive(tree: Tree, samples: Sequence[Sample]) -> None:
    """Each is there once, whole, and nothing is wrong with anything."""
    for sample in samples:
        path = InstancePath(sample.study_instance_uid, sample.series_instance_uid, sample.sop_instance_uid)
        numbers = range(1, sample.number_of_frames + 1)
        assert [bytes(frame) for frame in tree.frames(path, numbers)] == [one.tobytes() for one in sample.pixels()]
        assert tree.record(path).version == 1
    assert list(tree.verify()) == []
