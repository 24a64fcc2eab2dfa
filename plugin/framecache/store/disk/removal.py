"""Removal, which is reported to whoever counts what leaves a cache, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from framecache.store.disk.table import Removed, Table, TaggedRow
from framecache.store.removal_cause import OnRemoved, RemovalCause


class Removal:
    """Removes rows and their files, and calls `on_removed`."""

    def __init__(self, table: Table, on_removed: OnRemoved) -> None:
        self._table, self._on_removed = table, on_removed

    def of_instances(
        self, cause: RemovalCause, orthanc_ids: Sequence[str], is_meant: Callable[[TaggedRow], bool] = lambda _: True
    ) -> Removed:
        """Those rows of these instances that are meant."""
        return self._report(cause, self._table.remove_tagged(orthanc_ids, is_meant))

    def of_rows(self, cause: RemovalCause, keys: Sequence[str]) -> Removed:
        """Rows by their keys."""
        return self._report(cause, self._table.remove_keys(keys))

    def _report(self, cause: RemovalCause, removed: Removed) -> Removed:
        if removed.orthanc_ids:
            self._on_removed(cause, removed.orthanc_ids, removed.size)
        return removed
