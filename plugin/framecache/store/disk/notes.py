"""The notes of a folder: rows `n/<name>`."""

from __future__ import annotations

from typing import cast

from framecache.store.disk.keys import NOTES
from framecache.store.disk.table import Table


class DiskNotes:
    """Short texts."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, key: str, /) -> str | None:
        """The text last noted under this key, or None."""
        content = cast("bytes | None", self._table.get(NOTES + key))
        return None if content is None else content.decode(errors="replace")

    def __setitem__(self, key: str, text: str, /) -> None:
        """Note a text."""
        self._table.set(NOTES + key, text.encode())
