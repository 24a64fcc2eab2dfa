"""A node of version 1 of the shared work, as far as others can tell: a frozen copy, which no change may touch."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from procrastinate import App, PsycopgConnector, RetryStrategy
from psycopg.rows import class_row

TABLES = """
CREATE TABLE shared_jobs (
    kind text PRIMARY KEY, run bigint NOT NULL DEFAULT 1,
    state text NOT NULL CHECK (state IN ('running', 'paused', 'done')),
    bookmark text NOT NULL DEFAULT '', study_date text NOT NULL DEFAULT '', is_planned boolean NOT NULL DEFAULT false,
    total bigint, looked_at bigint NOT NULL DEFAULT 0, planned bigint NOT NULL DEFAULT 0,
    done bigint NOT NULL DEFAULT 0, failed bigint NOT NULL DEFAULT 0, size bigint NOT NULL DEFAULT 0,
    began timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE shared_pieces (
    kind text NOT NULL, run bigint NOT NULL, key text NOT NULL, node text, error text, ended timestamptz,
    PRIMARY KEY (kind, run, key)
);
"""
SEARCH_PATH = "-c search_path=framecache"


@dataclass(frozen=True)
class Job:
    """It read all columns of the table."""

    kind: str
    run: int
    state: str
    bookmark: str
    study_date: str
    is_planned: bool
    total: int | None
    looked_at: int
    planned: int
    done: int
    failed: int
    size: int
    began: Any


@dataclass(frozen=True)
class Piece:
    """It took no other members."""

    orthanc_id: str
    attachment_uuid: str
    size: int
    form: str
    subject: str
    names: list[str]


def make_tables(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True, options=SEARCH_PATH) as connection:
        connection.execute("CREATE SCHEMA framecache")
        connection.execute(App(connector=PsycopgConnector()).schema_manager.get_schema())
        connection.execute(TABLES)


def job_of(dsn: str, kind: str) -> Job | None:
    with psycopg.connect(dsn, options=SEARCH_PATH) as connection:
        cursor = connection.cursor(row_factory=class_row(Job))
        return cursor.execute("SELECT * FROM shared_jobs WHERE kind = %s", [kind]).fetchone()


class Node:
    """Takes the pieces of a kind, and signs each in a file of `folder`; `seen` are tasks by their names."""

    def __init__(self, dsn: str, kind: str, folder: Path) -> None:
        self._dsn, self._kind, self._folder = dsn, kind, folder
        self.seen: dict[str, set[str]] = {}
        self._loop, self._thread = asyncio.new_event_loop(), threading.Thread(target=self._work)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._worker.cancel)
        self._thread.join(10)

    def _work(self) -> None:
        app = App(connector=PsycopgConnector(conninfo=psycopg.conninfo.make_conninfo(self._dsn, options=SEARCH_PATH)))
        app.task(name="framecache.piece", retry=RetryStrategy(max_attempts=4))(self._do)
        self._worker = self._loop.create_task(self._serve(app))
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.gather(self._worker, return_exceptions=True))
        self._loop.close()

    async def _serve(self, app: App) -> None:
        async with app.open_async():
            await app.run_worker_async(
                queues=[f"{self._kind}/piece"],
                install_signal_handlers=False,
                delete_jobs="always",
                fetch_job_polling_interval=0.2,
            )

    def _do(self, kind: str, run: int, piece: dict[str, Any]) -> None:
        one = Piece(**piece)
        with (self._folder / one.orthanc_id).open("a") as file:
            file.write("old\n")
        with psycopg.connect(self._dsn, options=SEARCH_PATH) as connection:
            ended = connection.execute(
                "UPDATE shared_pieces SET ended = now(), node = 'old'"
                " WHERE kind = %s AND run = %s AND key = %s AND ended IS NULL",
                [kind, run, f"{one.attachment_uuid}/{one.form}"],
            )
            connection.execute(
                "UPDATE shared_jobs SET done = done + %s, size = size + %s WHERE kind = %s",
                [ended.rowcount, one.size, kind],
            )
            connection.execute(
                "UPDATE shared_jobs SET state = 'done'"
                " WHERE kind = %s AND state = 'running' AND is_planned AND done + failed >= planned",
                [kind],
            )
