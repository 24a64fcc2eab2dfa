"""Studies that stay, whatever else comes: rows `p/<StudyInstanceUID>`, without a value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from framecache.store.disk.table import Table

# Pinned studies may hold so much of the cache: beyond it, those not asked for the longest go like any other.
_MOST_PINNED = 0.5


class Pins:
    """The pins of one cache, which survive a restart."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._studies = frozenset(key[2:] for key in table.keys_from("p/"))

    @property
    def studies(self) -> frozenset[str]:
        """Study Instance UIDs."""
        return self._studies

    def pin(self, study_instance_uid: str) -> None:
        """Let a study stay."""
        self._table.set(f"p/{study_instance_uid}", b"")
        self._studies |= {study_instance_uid}

    def unpin(self, study_instance_uid: str) -> None:
        """Let a study go when its time has come."""
        self._table.remove_keys([f"p/{study_instance_uid}"])
        self._studies -= {study_instance_uid}

    def is_pinned(self, record_key: str) -> bool:
        """Whether the instance with this record belongs to a pinned study."""
        _, _, rest = record_key.partition("/")
        return rest.partition("/")[0] in self._studies

    def without(self, instances: Iterable[tuple[str, str]], limit: int) -> Iterator[str]:
        """The Orthanc IDs of those that may go, in their order: pinned ones last, and those within bounds never."""
        pinned = []
        for orthanc_id, record_key in instances:
            if self._studies and self.is_pinned(record_key):
                pinned.append(orthanc_id)
            else:
                yield orthanc_id
        sizes = [(orthanc_id, self._table.bytes_of(orthanc_id)) for orthanc_id in pinned]
        excess = sum(size for _, size in sizes) - limit * _MOST_PINNED
        for orthanc_id, size in sizes:
            if excess <= 0:
                return
            excess -= size
            yield orthanc_id
