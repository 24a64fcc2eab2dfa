"""An Orthanc on PostgreSQL, and workers that export what it has: how fast, and what one leaves that is killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
import psycopg
import requests
from framecache.tree.tree import Tree

from bench.client import NotAvailable
from bench.plain import SmallFile
from dev.console import CHECKOUT
from dev.orthanc_server import PLUGINS, OrthancServer
from dev.postgresql import Postgresql

PATIENCE = 300.0
UPLOADS, OF_STUDY = 4, 200
# The nodes cache nothing: only the workers are measured.
FRAME_CACHE = {"Rules": [{"Extract": "never"}], "Metadata": "off"}


class ClusterLab:
    """Use as a context manager; `number` instances are stored before the first measurement."""

    def __init__(self, suite: str, folder: Path, number: int) -> None:
        self._suite, self._folder, self.number = suite, folder, number
        self._stack = ExitStack()

    def __enter__(self) -> ClusterLab:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        self.postgresql = self._stack.enter_context(Postgresql(self._suite))
        section = {"Python": {"AllowThreads": True}, "FrameCache": FRAME_CACHE}
        configuration = {**self.postgresql.orthanc_configuration, **section}
        self._server = OrthancServer(
            self._suite,
            self._folder / "orthanc",
            configuration,
            plugins=[*PLUGINS, "OrthancPostgreSQLIndex"],
            others=[self.postgresql.folder],
        )
        self._stack.enter_context(self._server)
        self._upload()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _upload(self) -> None:
        def upload(number: int) -> None:
            path = SmallFile(1 + number // OF_STUDY, 1, number).write(self._folder / f"{number}.dcm")
            requests.post(f"{self._server.url}/instances", data=path.read_bytes(), timeout=60).raise_for_status()
            path.unlink()

        with ThreadPoolExecutor(UPLOADS) as pool:
            list(pool.map(upload, range(self.number)))

    @contextmanager
    def archive(self) -> Iterator[str]:
        """The URL of an empty one."""
        folder = self._folder / "archive"
        shutil.rmtree(folder, ignore_errors=True)
        yield folder.as_uri()
        shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def workers(self, number: int, archive: str, *, begins: bool = True) -> Iterator[list[psutil.Process]]:
        """So many processes that do one piece at a time; the first `begins` the export."""
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "plugin"), "FRAMECACHE_CLUSTER": self.postgresql.dsn}
        storage = str(self._folder / "orthanc" / "storage")
        command = [sys.executable, "-m", "framecache", "worker", "--orthanc", self._server.url]
        options = ["--archive", archive, "--storage", storage, "--concurrency", "1"]
        with ExitStack() as stack:
            started = []
            for place in range(number):
                begin = ["--export"] if begins and not place else []
                process = subprocess.Popen([*command, *options, *begin], env=environment, stderr=subprocess.DEVNULL)
                stack.callback(process.wait)
                stack.callback(process.kill)
                started.append(psutil.Process(process.pid))
            yield started

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Of the shared tables; none before they are there."""
        try:
            with psycopg.connect(self.postgresql.dsn, options="-c search_path=framecache") as connection:
                return connection.execute(query).fetchall()
        except psycopg.errors.UndefinedTable:
            return []

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Raises NotAvailable if it does not happen."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise NotAvailable("the workers did not end")
            time.sleep(0.1)

    def is_done(self) -> bool:
        """Whether this run of the export is."""
        return self.rows("SELECT state FROM shared_jobs WHERE kind LIKE 'export%'") == [("done",)]

    @property
    def done(self) -> int:
        """Pieces that have ended in this run, as long as it is running."""
        return sum(row[0] for row in self.rows("SELECT done FROM shared_jobs WHERE state = 'running'"))

    def pieces_per_second(self) -> float:
        """Of the present run, from the first piece that ended to the last."""
        [(count, seconds)] = self.rows(
            "SELECT count(*), extract(epoch FROM max(ended) - min(ended)) FROM shared_pieces WHERE kind LIKE 'export%'"
        )
        return (int(count) - 1) / float(seconds)

    def lost_and_doubled(self, archive: str) -> tuple[int, int]:
        """Instances that the archive lacks, and those that were written more than once."""
        with Tree.open(archive) as tree:
            logs = [tree.log.read_now(study) for study in tree.objects.folders("log")]
        versions = {(record.path, record.version, record.origin.sha256) for log in logs for record in log.records}
        paths = {path for path, *_ in versions}
        return self.number - len(paths), len(versions) - len(paths)


def cpu_seconds(processes: Sequence[psutil.Process]) -> list[float]:
    """Of user and system, of each."""
    return [sum(process.cpu_times()[:2]) for process in processes]
