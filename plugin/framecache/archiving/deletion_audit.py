"""Finds instances whose deletion was not reported: deleted while the plugin was off, or by another Orthanc."""

from __future__ import annotations

import logging

from framecache.archiving.ledger import Ledger
from framecache.orthanc.instance_index import InstanceIndex
from framecache.plurals import counted
from framecache.ports import Clock

logger = logging.getLogger(__name__)

_BATCH = 200
_ROUND_SECONDS = 3600.0
# More than so many at once, and more than this share of all, are not deleted: it is another database, or an older copy.
_FEW, _LARGEST_SHARE = 100, 0.1


class DeletionAudit:
    """Goes through the ledger at the start and once an hour, a batch at a time."""

    def __init__(
        self,
        index: InstanceIndex,
        ledger: Ledger,
        clock: Clock,
        *,
        batch: int = _BATCH,
        few: int = _FEW,
        round_seconds: float = _ROUND_SECONDS,
    ) -> None:
        self._index, self._ledger, self._clock = index, ledger, clock
        self._batch, self._few, self._round_seconds = batch, few, round_seconds
        self._last, self._seen, self._due = "", 0, 0.0
        self._missing: list[str] = []

    def step(self) -> bool:
        """Compare the next batch, if a round is due; whether there is more to do. Raises SourceError."""
        if self._clock.monotonic() < self._due:
            return False
        batch = self._ledger.written_after(self._last, self._batch)
        if not batch:
            return self._end_round()
        current = self._index.attachments(batch)
        self._missing += [orthanc_id for orthanc_id in batch if orthanc_id not in current]
        self._last, self._seen = batch[-1], self._seen + len(batch)
        return True

    def _end_round(self) -> bool:
        """What is missing is asked for once more before it is deleted. Whether there is any."""
        missing, self._missing = self._missing, []
        if len(missing) > max(self._few, _LARGEST_SHARE * self._seen):
            number = counted(len(missing), "archived instance")
            logger.warning("Orthanc lacks %s: too many to delete them from the archive as well", number)
            missing = []
        self._ledger.add((orthanc_id, "delete") for orthanc_id in missing)
        self._last, self._seen, self._due = "", 0, self._clock.monotonic() + self._round_seconds
        return bool(missing)
