"""One real PostgreSQL for all tests of shared work; each test has a database of its own in it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import psycopg
import pytest

from dev.postgresql import Postgresql

NUMBERS = count()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    with Postgresql("forky") as started:
        yield started


@pytest.fixture
def dsn(postgresql: Postgresql) -> str:
    """The address of an empty database."""
    name = f"test{next(NUMBERS)}"
    with psycopg.connect(postgresql.dsn, autocommit=True) as connection:
        connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
    return postgresql.dsn.replace("dbname=postgres", f"dbname={name}")
