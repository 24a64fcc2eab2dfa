"""A process that shares the work of Orthancs, on any machine: it reads stored files and writes to an archive."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import requests

from framecache.cluster.archive_care import GC, VERIFY, ArchiveCollection, ArchiveVerification
from framecache.cluster.archive_export import EXPORT, EXPORT_ALL, ArchiveExport
from framecache.cluster.archive_rules import ArchiveRules
from framecache.cluster.database import Database, DatabaseError
from framecache.cluster.piece import Kind
from framecache.cluster.piece_queue import PieceQueue
from framecache.cluster.reach import Reach
from framecache.cluster.shared_jobs import SharedJob
from framecache.cluster.shared_work import SharedWork
from framecache.cluster.stored_sources import StoredSources
from framecache.cluster.web_api import WebApi
from framecache.orthanc.bucket import ObjectStore, StorageBucket
from framecache.telemetry.metrics import Metrics
from framecache.threads import Desk
from framecache.tree.layout import FORMAT_KEY
from framecache.tree.opening import open_tree

_LOOK_SECONDS = 5.0
_PATIENCE = 300.0  # seconds for the pieces at work


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Where it reads and writes. `storage` and `bucket` are where Orthanc's files are; without, Orthanc is asked.

    `begins` are the kinds of work that it begins if nobody has, or once more if they are done. The file `alive` is
    touched while the shared database answers.
    """

    orthanc: Sequence[str]
    dsn: str = field(repr=False)
    archive: str
    storage: Path | None
    bucket: str
    concurrency: int
    begins: Sequence[str]
    alive: Path | None = None


def work_until(
    stopping: threading.Event,
    options: WorkerOptions,
    new_session: Callable[[], requests.Session],
    report: Callable[[str], None],
) -> None:
    """Work until `stopping` is set, and then finish what is at work. Raises FrameCacheError if it cannot begin."""
    with closing(Database(options.dsn)) as database, open_tree(options.archive, writes=True) as tree:
        database.open()
        api = WebApi(options.orthanc, new_session)
        sources = StoredSources(api, options.storage, _bucket(options))
        kinds: dict[str, Kind] = {
            EXPORT: ArchiveExport(api, tree, sources, time, ArchiveRules(api, time)),
            EXPORT_ALL: ArchiveExport(api, tree, sources, time),
            VERIFY: ArchiveVerification(tree, sources),
            GC: ArchiveCollection(tree),
        }
        reach = Reach({"Orthanc": api.check, "the archive": lambda: tree.objects.head(FORMAT_KEY)}, time)
        queue = PieceQueue(database, kinds, f"worker@{socket.gethostname()}:{os.getpid()}", reach=reach)
        for kind in options.begins:
            queue.begin_anew(kind)
        work = SharedWork(database, queue, may_take=reach.may_take, concurrency=options.concurrency)
        work.start()
        try:
            _report_until(stopping, queue, report, options.alive)
        finally:  # whatever ends it, no piece is left in the middle
            work.stop()
            work.join(_PATIENCE)


def _bucket(options: WorkerOptions) -> StorageBucket | None:
    if not options.bucket:
        return None
    desk = Desk("frame-cache-bucket", options.concurrency)
    return StorageBucket(ObjectStore(options.bucket), desk, time, Metrics())


def _report_until(
    stopping: threading.Event, queue: PieceQueue, report: Callable[[str], None], alive: Path | None
) -> None:
    """A line whenever something has changed."""
    last = ""
    while not stopping.wait(_LOOK_SECONDS if last else 0.1):
        if (line := _progress(queue, alive)) != last:
            report(line)
            last = line


def _progress(queue: PieceQueue, alive: Path | None) -> str:
    try:
        jobs = [job for kind in queue.kinds if (job := queue.jobs.find(kind)) is not None]
    except DatabaseError as error:
        return str(error)
    if alive is not None:
        alive.touch()
    return "; ".join(map(_described, jobs)) or "waiting: nobody has begun anything"


def _described(job: SharedJob) -> str:
    failed = f", {job.failed} failed" if job.failed else ""
    return f"{job.kind} {job.state}: {job.looked_at - job.unfinished} of {job.total or '?'}{failed}"
