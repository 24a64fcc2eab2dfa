"""The SQLite database of an index, for many threads and processes, on disk or in memory."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from framecache.client.forks import FORKS, ForkAware
from framecache.client.index.criteria import add_functions
from framecache.client.index.schema import VERSION, statements

logger = logging.getLogger(__name__)

_PATIENCE = 60.0  # seconds to wait for another process that writes
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_DOUBTFUL = _DAMAGED | {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_IOERR}  # tables may be missing, or cut off
_SETTINGS = ("PRAGMA synchronous = NORMAL", "PRAGMA temp_store = MEMORY", "PRAGMA cache_size = -32000")
_File = tuple[int, int]  # its device and inode


@dataclass(eq=False, slots=True)
class _Opened:
    """The connection of a thread to a file. SQLite ends the process if one is closed that is in use: `lock` is held."""

    thread: threading.Thread
    connection: sqlite3.Connection
    file: _File | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)
    is_closed: bool = False

    @property
    def is_in_transaction(self) -> bool:
        """Whether its thread is within one."""
        with self.lock:
            return not self.is_closed and self.connection.in_transaction

    def close(self) -> None:
        """As soon as its thread is done with it."""
        with self.lock:
            self.is_closed = True
            self.connection.close()


class Database(ForkAware):
    """Connections to one database, opened when they are needed. It pickles, in memory with all its content.

    A process that was forked has what is in memory, too, and opens connections of its own to what is on disk. A file
    that is removed, is made anew by another process, or is found damaged, is made anew, and read from the next call on.
    """

    def __init__(self, path: Path | None, tables: Sequence[str] = ()) -> None:
        """The database in the file `path`, or one in memory.

        `tables` are statements that make those which it has beside the tables of an index, unless they are there.
        """
        self._begin(path, b"", tables)

    def _begin(self, path: Path | None, content: bytes, tables: Sequence[str]) -> None:
        self._path, self._content, self._tables, self._lock = path, content, tables, threading.RLock()
        self._forget()
        FORKS.tell(self)

    def _forget(self) -> None:
        self._prepared: _File | None = None
        self._local = threading.local()
        self._opened: list[_Opened] = []

    def __getstate__(self) -> dict[str, Any]:
        if self._path is not None:
            return {"path": self._path, "content": b"", "tables": self._tables}
        with self.reading() as connection:
            return {"path": None, "content": connection.serialize(), "tables": self._tables}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._begin(state["path"], state["content"], state["tables"])

    @property
    def path(self) -> Path | None:
        """The file; None in memory."""
        return self._path

    @property
    def file(self) -> _File | None:
        """Which file it is now: another one than before if it was made anew. None in memory."""
        if self._path is None:
            return None
        with FORKS.held_off():
            return self._of_thread().file

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
                try:
                    with self._lent() as connection:
                        yield connection
                except sqlite3.DatabaseError as error:
                    self._doubt(error)
                    raise
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
        """Close all connections; a later call opens them again, but for what was in memory.

        What other threads do in them is waited for.
        """
        with FORKS.held_off():
            self._close()

    def before_fork(self) -> None:
        """Close connections to files. What is in memory has no locks outside the process, and is copied."""
        if self._path is not None:
            self._close()

    def _close(self) -> None:
        """The lock is let go before: who is waited for may need it."""
        with self._lock:
            opened = self._opened
            self._forget()
        for one in opened:
            one.close()

    @contextmanager
    def _lent(self) -> Iterator[sqlite3.Connection]:
        while True:
            opened = self._of_thread()
            with opened.lock:
                if not opened.is_closed:  # else another thread closed the database meanwhile
                    yield opened.connection
                    return

    def _of_thread(self) -> _Opened:
        opened: _Opened | None = getattr(self._local, "opened", None)
        now = _file_at(self._path)
        if opened is None or (opened.file != now and not opened.is_in_transaction):
            # What it was connected to is closed when the thread ends: whoever called may be reading from it.
            connection = self._connect()
            opened = self._local.opened = _Opened(threading.current_thread(), connection, now or _file_at(self._path))
            with self._lock:
                self._close_of_ended_threads()
                self._opened.append(opened)
        return opened

    def _doubt(self, error: sqlite3.DatabaseError) -> None:
        """Look at the tables again before they are used again; a damaged file is not used again."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code not in _DOUBTFUL:  # others say nothing of the file: it is locked, or its disk is full
            return
        opened: _Opened | None = getattr(self._local, "opened", None)
        if opened is None or opened.is_in_transaction:  # whoever began that hears of it, too
            return
        self._local.opened = None
        with self._lock:
            self._prepared = None
            if self._path and code in _DAMAGED and self.is_writable and opened.file == _file_at(self._path):
                _remove(self._path, error)

    def _close_of_ended_threads(self) -> None:
        """A program may start a thread for each call: each would leave its files open."""
        ended = [one for one in self._opened if not one.thread.is_alive()]
        self._opened = [one for one in self._opened if one not in ended]
        for one in ended:
            one.close()

    def _in_memory(self) -> sqlite3.Connection:
        if not self._opened:
            connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
            if self._content:
                connection.deserialize(self._content)
                self._content = b""
            _prepare(connection, self._tables)
            self._opened.append(_Opened(threading.current_thread(), connection))
        return self._opened[0].connection

    def _connect(self) -> sqlite3.Connection:
        assert self._path is not None  # noqa: S101 - else it is in memory
        if not self.is_writable and self._path.exists():
            return _connect_read_only(self._path)
        with self._lock:
            if self._prepared is None or self._prepared != _file_at(self._path):
                connection = _prepared(self._path, self._tables)
                self._prepared = _file_at(self._path)
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


def _file_at(path: Path | None) -> _File | None:
    """None if there is none."""
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _remove(path: Path, error: sqlite3.DatabaseError) -> None:
    logger.warning("making an index anew that is damaged: %s", error)
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _prepared(path: Path, tables: Sequence[str]) -> sqlite3.Connection:
    """A connection to a database with the tables. A damaged one is replaced: it can be made again of the files."""
    try:
        return _with_tables(path, tables)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        _remove(path, error)
        return _with_tables(path, tables)


def _with_tables(path: Path, tables: Sequence[str]) -> sqlite3.Connection:
    _make_private(path)
    connection = _connect(path)
    _keep_log(connection)
    _prepare(connection, tables)
    return connection


def _keep_log(connection: sqlite3.Connection) -> None:
    """Let readers go on while one writes. SQLite does not wait here by itself where several processes begin at once."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _prepare(connection: sqlite3.Connection, tables: Sequence[str]) -> None:
    """Make the tables, unless they are there; an index of another version of this package is made anew."""
    add_functions(connection)
    if _version(connection) != VERSION:
        connection.execute("BEGIN IMMEDIATE")
        if _version(connection) != VERSION:
            _make_anew(connection)
        connection.commit()
    for statement in tables:
        connection.execute(statement)


def _make_anew(connection: sqlite3.Connection) -> None:
    for kind, name in connection.execute("SELECT type, name FROM sqlite_master WHERE type = 'table'").fetchall():
        connection.execute(f'DROP {kind} IF EXISTS "{name}"')
    for statement in statements():
        connection.execute(statement)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
