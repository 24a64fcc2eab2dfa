"""The schema `framecache` of the PostgreSQL database that all nodes share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from procrastinate import App, PsycopgConnector, SyncPsycopgConnector
from procrastinate.exceptions import ConnectorException
from psycopg import Connection, Error
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool, PoolTimeout

from framecache.cluster.schema import SCHEMA, prepare
from framecache.errors import FrameCacheError

_PATIENCE = 10.0  # seconds that a connection may take


class DatabaseError(FrameCacheError):
    """The shared database does not answer, or refuses."""

    status = 503
    retry_after = 10


class Database:
    """A few connections. Procrastinate's tables and ours lie in a schema of their own, beside Orthanc's."""

    def __init__(self, dsn: str, *, connections: int = 4) -> None:
        """`dsn` is a connection string of libpq, or an address. Raises DatabaseError if it is neither."""
        try:
            self._conninfo = make_conninfo(
                dsn, application_name="framecache", options=f"-c search_path={SCHEMA}", connect_timeout="5"
            )
        except Error as error:
            raise DatabaseError("the connection string is invalid") from error  # without what it says: a password
        self._is_prepared = False
        self._pool = ConnectionPool(
            self._conninfo,
            min_size=0,
            max_size=connections,
            open=False,
            timeout=_PATIENCE,
            check=ConnectionPool.check_connection,
        )

    def open(self) -> None:
        """Connect, and make the tables that are missing. Raises DatabaseError, TooNew."""
        self._pool.open()
        if self._is_prepared:
            return
        with self.transaction() as connection:
            prepare(connection, self.deferring_app().schema_manager)
        self._is_prepared = True

    def close(self) -> None:
        """Cut the connections."""
        self._pool.close()

    @contextmanager
    def transaction(self) -> Iterator[Connection[Any]]:
        """A connection whose changes count together, or not at all. Raises DatabaseError."""
        try:
            with self._pool.connection() as connection:
                yield connection
        except (Error, PoolTimeout, ConnectorException) as error:
            raise DatabaseError(f"the shared database: {type(error).__name__}: {error}") from error

    def deferring_app(self) -> App:
        """For threads that queue."""
        connector = SyncPsycopgConnector()
        connector.open(self._pool)
        return App(connector=connector)

    def working_app(self, concurrency: int) -> App:
        """For the event loop of a worker, which opens it: one connection for each piece, and two for itself."""
        most = concurrency + 2
        return App(connector=PsycopgConnector(conninfo=self._conninfo, min_size=1, max_size=most, timeout=_PATIENCE))
