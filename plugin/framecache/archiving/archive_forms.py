"""Makes the other form of what is archived, on a thread of its own: that takes long, and holds up nothing else.

What waits for it is in the ledger, so it survives a restart, and there is no end to how much may wait.
"""

from __future__ import annotations

import logging
from contextlib import suppress

from framecache.archiving.giving_way import GivingWay
from framecache.archiving.ledger import Ledger
from framecache.archiving.ownership import check_is_there
from framecache.archiving.stored_source import source_of
from framecache.errors import FOR_A_WHILE, NotFound, Stopping, reason
from framecache.instances.archive import Archive
from framecache.instances.catalogue import Catalogue
from framecache.instances.entry import Entry
from framecache.instances.stored_files import StoredFiles
from framecache.ports import Clock
from framecache.telemetry.metrics import Metrics
from framecache.tree.errors import Unreachable
from framecache.tree.forms import FormMaker
from framecache.tree.tree import Tree
from framecache.worker import Worker

logger = logging.getLogger(__name__)

_BATCH = 200
_POLL_SECONDS = 10.0


class ArchiveForms:
    """One thread; it makes way for the extraction of frames. An instance counts as written when it is done with."""

    def __init__(
        self,
        archive: Archive,
        ledger: Ledger,
        catalogue: Catalogue,
        files: StoredFiles,
        metrics: Metrics,
        clock: Clock,
        maker: FormMaker,
        giving_way: GivingWay,
        *,
        retry_seconds: float,
    ) -> None:
        self._archive, self._ledger, self._catalogue, self._files = archive, ledger, catalogue, files
        self._metrics, self._clock, self._maker, self._giving_way = metrics, clock, maker, giving_way
        self._worker = Worker(
            "archive-forms", self._turn, task="archiving as HTJ2K", on_error=archive.failed, retry_seconds=retry_seconds
        )
        self.start, self.stop, self.join = self._worker.start, self._worker.stop, self._worker.join
        self.wake = self._worker.wake

    def want(self, orthanc_id: str) -> None:
        """Make it of this instance, which is in the archive. Returns at once."""
        self._ledger.want_form(orthanc_id, self._clock.time())
        self._worker.wake()

    def _turn(self) -> float:
        due = self._ledger.forms(self._clock.time(), _BATCH)
        if not due:
            return _POLL_SECONDS
        self._giving_way.wait(self._worker)
        tree = self._archive.tree()
        check_is_there(tree, self._ledger)
        for orthanc_id, since in due:
            if self._worker.is_stopping:
                raise Stopping
            if self._is_done(tree, orthanc_id):
                self._ledger.form_made(orthanc_id, since)
                self._metrics.count("archive_written")
        return 0.0

    def _is_done(self, tree: Tree, orthanc_id: str) -> bool:
        """Make it; False if it is to be tried again."""
        try:
            entry = self._current(orthanc_id)
            if entry is not None:
                tree.add_form(source_of(entry, self._files, self._worker, self._ledger.database), self._maker)
        except (Unreachable, Stopping):
            raise
        except Exception as error:  # noqa: BLE001 - it is archived: no form of it holds up others
            # All else is of the frame, or of its codec: another attempt would end as this one did.
            if isinstance(error, FOR_A_WHILE) and self._ledger.postpone_form(orthanc_id, self._clock.time()):
                logger.info("instance %s is archived as it is stored only, so far: %s", orthanc_id, reason(error))
                return False
            logger.warning("instance %s is archived as it is stored only: %s", orthanc_id, reason(error))
        return True

    def _current(self, orthanc_id: str) -> Entry | None:
        """None for one that was deleted or replaced since: its new version is archived first. Raises SourceError."""
        written = self._ledger.written(orthanc_id)
        entry = None
        with suppress(NotFound):
            entry = self._catalogue.describe(orthanc_id)
        if written is None or entry is None or written.attachment_uuid != entry.instance.attachment_uuid:
            return None
        return entry if entry.treatment.has_small_form else None
