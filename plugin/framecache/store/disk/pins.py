"""The pins of a folder: rows `p/<StudyInstanceUID>`, without a value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from framecache.store.disk.keys import PINS, study_of
from framecache.store.disk.table import Table

# Pinned studies may use so much of the limit: beyond it, those not viewed for the longest are evicted like any other.
_MOST_PINNED = 0.5


class DiskPins:
    """Pinned studies, which survive a restart."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._studies = frozenset(key.removeprefix(PINS) for key in table.keys_with(PINS))

    def studies(self) -> frozenset[str]:
        """Study Instance UIDs."""
        return self._studies

    def pin(self, study_instance_uid: str) -> None:
        """Evict a study only where the pinned ones take more than their share."""
        self._table.set(PINS + study_instance_uid, b"")
        self._studies |= {study_instance_uid}

    def unpin(self, study_instance_uid: str) -> None:
        """Let a study be evicted like any other."""
        self._table.delete(PINS + study_instance_uid)
        self._studies -= {study_instance_uid}

    def is_pinned(self, record_key: str) -> bool:
        """Whether the instance with this record belongs to a pinned study."""
        return study_of(record_key) in self._studies

    def evictable(self, instances: Iterable[tuple[str, str]], limit: int) -> Iterator[str]:
        """The Orthanc IDs of those that may be evicted, in their order, with the pinned ones last.

        `instances` are Orthanc IDs and the keys of their records. Of the pinned ones only those are given that are
        beyond their share of `limit`.
        """
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
