"""The SQLite database of an index, for many threads and processes, on disk or in memory."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from framecache.client.forks import FORKS, ForkAware
from framecache.client.index.criteria import add_functions
from framecache.client.index.schema import VERSION, statements

logger = logging.getLogger(__name__)

_PATIENCE = 60.0  # seconds to wait for another process that writes
_SETTINGS = ("PRAGMA synchronous = NORMAL", "PRAGMA temp_store = MEMORY", "PRAGMA cache_size = -32000")


class Database(ForkAware):
    """Connections to one database, opened when they are needed. It pickles, in memory with all its content.

    A process that was forked has what is in memory, too, and opens connections of its own to what is on disk.
    """

    def __init__(self, path: Path | None) -> None:
        """The database in the file `path`, or one in memory."""
        self._path, self._content = path, b""
        self._begin()
        FORKS.tell(self)

    def _begin(self) -> None:
        self._is_prepared = False
        self._local, self._lock = threading.local(), threading.RLock()
        self._connections: list[tuple[threading.Thread, sqlite3.Connection]] = []

    def __getstate__(self) -> dict[str, Any]:
        if self._path is not None:
            return {"path": self._path, "content": b""}
        with self.reading() as connection:
            return {"path": None, "content": connection.serialize()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._path, self._content = state["path"], state["content"]
        self._begin()
        FORKS.tell(self)

    @property
    def path(self) -> Path | None:
        """The file; None in memory."""
        return self._path

    @property
    def is_writable(self) -> bool:
        """Whether it can be written: on disk, whether this user may write its file."""
        if self._path is None:
            return True
        is_there = self._path.exists()
        return os.access(self._path.parent, os.W_OK) and (not is_there or os.access(self._path, os.W_OK))

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection of this thread's; the one in memory is lent to one thread at a time."""
        with FORKS.held_off():
            if self._path is not None:
                yield self._of_thread()
                return
            with self._lock:
                yield self._in_memory()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction. Another process that writes is waited for."""
        with self.reading() as connection:
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def close(self) -> None:
        """Close all connections; a later call opens them again, but for what was in memory."""
        with FORKS.held_off(), self._lock:
            self._close()

    def before_fork(self) -> None:
        """Close connections to files. What is in memory has no locks outside the process, and is copied."""
        if self._path is not None:
            self._close()

    def _close(self) -> None:
        for _, connection in self._connections:
            connection.close()
        self._begin()

    def _of_thread(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
            with self._lock:
                self._close_of_ended_threads()
                self._connections.append((threading.current_thread(), connection))
        return connection

    def _close_of_ended_threads(self) -> None:
        """A program may start a thread for each call: each would leave its files open."""
        ended = [connection for thread, connection in self._connections if not thread.is_alive()]
        self._connections = [one for one in self._connections if one[1] not in ended]
        for connection in ended:
            connection.close()

    def _in_memory(self) -> sqlite3.Connection:
        if not self._connections:
            connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
            if self._content:
                connection.deserialize(self._content)
                self._content = b""
            _prepare(connection)
            self._connections.append((threading.current_thread(), connection))
        return self._connections[0][1]

    def _connect(self) -> sqlite3.Connection:
        assert self._path is not None  # noqa: S101 - else it is in memory
        if not self.is_writable and self._path.exists():
            return _connect_read_only(self._path)
        with self._lock:
            if not self._is_prepared:
                connection = _prepared(self._path)
                self._is_prepared = True
                return connection
        return _connect(self._path)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_PATIENCE, check_same_thread=False, isolation_level=None)
    for setting in _SETTINGS:
        connection.execute(setting)
    add_functions(connection)
    return connection


def _connect_read_only(path: Path) -> sqlite3.Connection:
    """Of a file system that cannot be written SQLite wants to hear that nobody else writes it either."""
    uri = path.absolute().as_uri()
    for mode in ("mode=ro", "immutable=1"):
        connection = sqlite3.connect(f"{uri}?{mode}", uri=True, timeout=_PATIENCE, check_same_thread=False)
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("SELECT 1 FROM instances LIMIT 1")
            add_functions(connection)
            return connection
        connection.close()
    raise sqlite3.OperationalError("the index can be neither read nor written")


def _make_private(path: Path) -> None:
    """Names of patients are in it. SQLite gives the files beside it the same mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def _prepared(path: Path) -> sqlite3.Connection:
    """A connection to a database with the tables. A damaged one is replaced: it can be made again of the files."""
    try:
        return _with_tables(path)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        logger.warning("making an index anew that is damaged: %s", error)
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _with_tables(path)


def _with_tables(path: Path) -> sqlite3.Connection:
    _make_private(path)
    connection = _connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    _prepare(connection)
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables, unless they are there; an index of another version of this package is made anew."""
    add_functions(connection)
    if _version(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    if _version(connection) != VERSION:
        for kind, name in connection.execute("SELECT type, name FROM sqlite_master WHERE type = 'table'").fetchall():
            connection.execute(f'DROP {kind} IF EXISTS "{name}"')
        for statement in statements():
            connection.execute(statement)
    connection.commit()


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
