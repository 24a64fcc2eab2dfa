"""What befalls the index of a store behind its back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from tests.unit.own_files import OwnFiles

_Result = TypeVar("_Result")


def execute(folder: Path, statement: str, *parameters: Any) -> None:
    """Execute a statement in the index of the store in this folder, on a connection of its own."""
    with closing(sqlite3.connect(next(folder.rglob("cache.db")))) as connection, connection:
        connection.execute(statement, parameters)


def watch_statements(own_files: OwnFiles, watch: Callable[[str], object]) -> None:
    """Connections that are opened from now on call `watch` before each statement; what it raises is their fault."""

    class Watched(sqlite3.Connection):
        def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
            watch(statement)
            return super().execute(statement, *parameters)

    connect = sqlite3.connect
    own_files.replace("connect", lambda path, **options: connect(path, factory=Watched, **options), sqlite3)


def on_new_connection(function: Callable[[], _Result]) -> _Result:
    """What `function` returns or raises on a new thread: the store has a connection for each."""
    with ThreadPoolExecutor(1) as worker:
        return worker.submit(function).result()
