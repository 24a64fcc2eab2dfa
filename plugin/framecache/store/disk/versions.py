"""Which versions of which instances a folder has anything of, and their removal."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from framecache.batches import batches
from framecache.store.disk.keys import attachment_of
from framecache.store.disk.removal import Removal
from framecache.store.disk.table import BATCH, Table, TaggedRow
from framecache.store.removal_cause import RemovalCause


class DiskVersions:
    """Attachments by Orthanc ID; "" stands for a record that cannot be read."""

    def __init__(self, table: Table, removal: Removal) -> None:
        self._table, self._removal = table, removal

    def after(self, orthanc_id: str, limit: int) -> dict[str, set[str]]:
        """The next `limit` instances after this ID."""
        query = "SELECT DISTINCT tag FROM Cache WHERE tag > ? ORDER BY tag LIMIT ?"
        return self.of([tag for (tag,) in self._table.rows(query, (orthanc_id, limit))])

    def of(self, orthanc_ids: Sequence[str]) -> dict[str, set[str]]:
        """Those of these instances."""
        found: dict[str, set[str]] = {orthanc_id: set() for orthanc_id in orthanc_ids}
        for some in batches(orthanc_ids, BATCH):
            for row in self._table.rows_where("tag", some):
                found[row.tag].add(attachment_of(row.key, row.record))
        return found

    def remove(self, stale: Mapping[str, Collection[str]], cause: RemovalCause = "replaced") -> None:
        """Remove all of these versions, and nothing of others."""

        def is_stale(row: TaggedRow) -> bool:
            return attachment_of(row.key, row.record) in stale[row.tag]

        self._removal.of_instances(cause, [name for name, attachments in stale.items() if attachments], is_stale)

    def remove_all(self, *orthanc_ids: str) -> int:
        """Purge instances; how many rows that were."""
        return self._removal.of_instances("purged", orthanc_ids)
