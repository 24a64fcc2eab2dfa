"""All that writes to the archive, as one part of the plugin."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from framecache.archiving.archive_inbox import ArchiveInbox
from framecache.archiving.archive_writer import ArchiveWriter
from framecache.archiving.ledger import Comparison, Ledger
from framecache.instances.archive import Archive
from framecache.instances.catalogue import Catalogue
from framecache.instances.stored_files import StoredFiles
from framecache.policy.rule import ArchiveWrite
from framecache.ports import Clock, PropertyApi
from framecache.prefetch.scheduler import Scheduler
from framecache.telemetry.metrics import Metrics
from framecache.tree.forms import FormMaker


class Archiving:
    """Events of Orthanc and of viewers in, an archive that follows them out."""

    def __init__(
        self,
        api: PropertyApi,
        archive: Archive,
        ledger_path: Path,
        catalogue: Catalogue,
        files: StoredFiles,
        scheduler: Scheduler,
        metrics: Metrics,
        clock: Clock,
        *,
        usually: ArchiveWrite,
        revives: bool,
        form: FormMaker | None,
    ) -> None:
        """As ArchiveWriter. Raises sqlite3.Error, OSError if the ledger cannot be opened."""
        self._ledger = ledger = Ledger(ledger_path)
        rules: dict[str, Any] = {"usually": usually, "revives": revives, "form": form}
        self._writer = ArchiveWriter(api, archive, ledger, catalogue, files, scheduler, metrics, clock, **rules)
        self._inbox = ArchiveInbox(ledger, metrics, self._writer.wake)
        self.stored, self.deleted, self.opened = self._writer.announce, self._inbox.deleted, self._inbox.wanted

    def start(self) -> None:
        self._inbox.start()
        self._writer.start()

    def stop(self) -> None:
        """Returns at once."""
        self._inbox.stop()
        self._writer.stop()

    def join(self, seconds: float) -> None:
        """Wait up to `seconds` for the threads to end."""
        deadline = time.monotonic() + seconds
        for join in (self._inbox.join, self._writer.join):
            join(max(0.0, deadline - time.monotonic()))

    @property
    def behind(self) -> int:
        """Changes of Orthanc's log that were not looked at, and tasks that wait."""
        return self._writer.behind

    @property
    def comparison(self) -> Comparison | None:
        """The comparison of the archive with Orthanc that is under way, because the ledger was lost."""
        return self._writer.comparison

    def written_among(self, orthanc_ids: Sequence[str]) -> int:
        """How many of these instances the archive has, as far as this Orthanc wrote them. Raises sqlite3.Error."""
        return self._ledger.written_among(orthanc_ids)
