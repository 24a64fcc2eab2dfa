"""Removal of rows and their files, which is reported to whoever counts what leaves a cache, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from framecache.batches import batches
from framecache.store.disk.block_disk import DISK_BLOCK
from framecache.store.disk.table import BATCH, Table, TaggedRow
from framecache.store.parts import OnRemoved, RemovalCause


class Removal:
    """Removes rows and their files, and calls `on_removed`."""

    def __init__(self, table: Table, on_removed: OnRemoved) -> None:
        self._table, self._on_removed = table, on_removed

    def of_instances(
        self, cause: RemovalCause, orthanc_ids: Sequence[str], is_meant: Callable[[TaggedRow], bool] = lambda _: True
    ) -> int:
        """Remove those rows of these instances that are meant; how many that were."""
        removed = [row for some in batches(orthanc_ids, BATCH) for row in self._remove("tag", some, is_meant)]
        self._report(cause, removed)
        return len(removed)

    def of_rows(self, cause: RemovalCause | None, keys: Sequence[str]) -> int:
        """Remove rows by their keys; how many that were. Without a cause it is not reported."""
        removed = [row for some in batches(keys, BATCH) for row in self._remove("key", some)]
        if cause is not None:
            self._report(cause, removed)
        return len(removed)

    def _remove(
        self,
        column: Literal["tag", "key"],
        values: Sequence[str],
        is_meant: Callable[[TaggedRow], bool] = lambda _: True,
    ) -> list[TaggedRow]:
        """Rows first, in one transaction: a file without a row is found at the next start."""
        with self._table.files.removing() as count:
            with self._table.transact():
                removed = [row for row in self._table.rows_where(column, values) if is_meant(row)]
                count(sum(row.size + DISK_BLOCK for row in removed))
                self._table.delete_rows(row.rowid for row in removed)
            self._table.files.remove_all([(row.filename, row.size) for row in removed if row.filename is not None])
        return removed

    def _report(self, cause: RemovalCause, removed: Sequence[TaggedRow]) -> None:
        if owners := {row.tag for row in removed if row.tag}:
            self._on_removed(cause, owners, sum(row.size for row in removed))
