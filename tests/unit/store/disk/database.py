"""What befalls the index of a store behind its back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any


def execute(folder: Path, statement: str, *parameters: Any) -> None:
    """Execute a statement in the index of the store in this folder, on a connection of its own."""
    with closing(sqlite3.connect(next(folder.rglob("cache.db")))) as connection, connection:
        connection.execute(statement, parameters)
