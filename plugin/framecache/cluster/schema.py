"""The tables of shared work in PostgreSQL, and the version that says which nodes can use them."""

from __future__ import annotations

from typing import Any, LiteralString

from procrastinate.schema import SchemaManager
from psycopg import Connection, sql

from framecache.errors import FrameCacheError

SCHEMA = "framecache"
# Version 1 had no table of its own. Each version only adds tables, so that nodes of the version before go on working:
# they read all columns of `shared_jobs`. Who changes a table raises LEAST as well.
VERSION, LEAST = 2, 1
_LOCK = 0x6672616D65  # of one preparation at a time

_TABLES = """
CREATE TABLE IF NOT EXISTS shared_jobs (
    kind text PRIMARY KEY,
    run bigint NOT NULL DEFAULT 1,
    state text NOT NULL CHECK (state IN ('running', 'paused', 'done')),
    bookmark text NOT NULL DEFAULT '',
    study_date text NOT NULL DEFAULT '',
    is_planned boolean NOT NULL DEFAULT false,
    total bigint,
    looked_at bigint NOT NULL DEFAULT 0,
    planned bigint NOT NULL DEFAULT 0,
    done bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    size bigint NOT NULL DEFAULT 0,
    began timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS shared_pieces (
    kind text NOT NULL,
    run bigint NOT NULL,
    key text NOT NULL,
    node text,
    error text,
    ended timestamptz,
    PRIMARY KEY (kind, run, key)
);
CREATE TABLE IF NOT EXISTS cancelled_runs (kind text, run bigint, PRIMARY KEY (kind, run));
CREATE TABLE IF NOT EXISTS lost_pieces (kind text, run bigint, key text, times int, PRIMARY KEY (kind, run, key));
CREATE TABLE IF NOT EXISTS shared_format (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    version int NOT NULL,
    least int NOT NULL
);
"""


class TooNew(FrameCacheError):
    """A newer version of framecache made the tables, and nodes of this one cannot work beside it."""

    status = 503


def prepare(connection: Connection[Any], schema_manager: SchemaManager, *, version: int = VERSION) -> None:
    """Make what is missing; who only uses the tables needs no right to make any. Raises TooNew.

    One node does so at a time, until the end of the transaction.
    """
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    present, least = _versions(connection)
    if least > version:
        raise TooNew(f"the shared tables are of version {present}: upgrade this framecache, which knows {version}")
    if present < version:
        if not _has_schema(connection):  # IF NOT EXISTS would need the right to create one even where it is there
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(SCHEMA)))
        if not _has(connection, "procrastinate_jobs"):
            connection.execute(schema_manager.get_schema())
        connection.execute(_TABLES)
        connection.execute(
            "INSERT INTO shared_format (version, least) VALUES (%s, %s)"
            " ON CONFLICT (is_only) DO UPDATE SET version = excluded.version, least = excluded.least",
            [version, LEAST],
        )


def _versions(connection: Connection[Any]) -> tuple[int, int]:
    """That of the tables, and the least that a node must know; 0 where there are none."""
    if not _has(connection, "shared_format"):
        return (1, 1) if _has(connection, "shared_pieces") else (0, 0)
    row = connection.execute("SELECT version, least FROM shared_format").fetchone()
    return (int(row[0]), int(row[1])) if row is not None else (1, 1)


def _has_schema(connection: Connection[Any]) -> bool:
    return _is_there(connection, "SELECT to_regnamespace(%s)", SCHEMA)


def _has(connection: Connection[Any], table: str) -> bool:
    return _is_there(connection, "SELECT to_regclass(%s)", f"{SCHEMA}.{table}")


def _is_there(connection: Connection[Any], query: LiteralString, name: str) -> bool:
    row = connection.execute(query, [name]).fetchone()
    return row is not None and row[0] is not None
