"""What writes to the archive, if the settings want one."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from framecache.admin import checks
from framecache.admin.resources import ArchivedInstances
from framecache.app.core import Core, writes_archive
from framecache.app.site import Site
from framecache.codecs.lossless_form import LosslessForm
from framecache.instances.archive import Archive, ArchiveFigures
from framecache.orthanc.events import InstanceDeleted, InstanceStored
from framecache.orthanc.hierarchy import StoredSeries
from framecache.plurals import counted
from framecache.policy.policy import gains_by_htj2k
from framecache.prefetch.events import InstanceOpened
from framecache.prefetch.scheduler import Scheduler
from framecache.tree.layout import FORMS

if TYPE_CHECKING:
    from framecache.archiving.archiving import Archiving


_LEDGER = "archive.sqlite"


def make_archiving(site: Site, core: Core, scheduler: Scheduler) -> Archiving | None:
    """What writes to the archive; None where nothing is to be written."""
    settings = site.settings
    if core.archive is None or not writes_archive(settings):
        return None
    from framecache.archiving.archiving import Archiving  # noqa: PLC0415 - needs an optional extra

    try:
        return Archiving(
            site.api,
            core.archive,
            settings.directory / _LEDGER,
            core.catalogue,
            core.files,
            scheduler,
            site.metrics,
            site.clock,
            usually=settings.archive_write,
            revives=settings.archive_revive,
            form=_form(site, core),
        )
    except (OSError, sqlite3.Error) as error:
        site.findings.note(checks.check_archive(f"its ledger cannot be opened: {error}"))
        return None


def _form(site: Site, core: Core) -> LosslessForm | None:
    """What makes HTJ2K beside the stored frames, where that is wanted and there are helper processes."""
    codecs = core.codecs.background
    return LosslessForm(codecs, FORMS[0], gains_by_htj2k) if site.settings.archive_htj2k and codecs else None


def connect_archiving(site: Site, archiving: Archiving) -> None:
    """Let it act on what is stored, deleted and opened."""
    subscribe = site.dispatcher.subscribe
    subscribe(InstanceStored, lambda _: archiving.stored())
    subscribe(InstanceDeleted, lambda event: archiving.deleted(event.orthanc_id))
    subscribe(InstanceOpened, lambda event: archiving.opened(event.entry.instance.orthanc_id))


def archive_state(archive: Archive | None, archiving: Archiving | None) -> ArchiveFigures:
    """What the status and the metrics say of the archive."""
    if archive is None:
        return ArchiveFigures()
    if archiving is None:
        return archive.figures()
    try:
        figures, comparison = archive.figures(archiving.behind), archiving.comparison
    except sqlite3.Error:  # of the ledger: the writer meets it, too, and says so in the figures
        return archive.figures()
    if comparison is None:
        return figures
    text = f"{comparison.why}: {counted(comparison.left, 'study', 'studies')} left to compare"
    return replace(figures, comparison=text, comparison_since=comparison.since)


def archived_instances(core: Core, archiving: Archiving | None) -> ArchivedInstances | None:
    """How many instances of series the archive has: by the ledger where this Orthanc writes, else by the archive."""
    if archiving is not None:
        return partial(_written, core, archiving)
    return partial(_shown, core.archive) if core.archive is not None else None


def _written(core: Core, archiving: Archiving, _: str, series: Sequence[StoredSeries]) -> Mapping[str, int]:
    count = archiving.written_among
    try:
        return {one.orthanc_id: core.catalogue.on_desk(partial(count, one.instance_ids)) for one in series}
    except sqlite3.Error:
        return {}


def _shown(archive: Archive, study: str, series: Sequence[StoredSeries]) -> Mapping[str, int]:
    numbers = archive.numbers(study)
    return {} if numbers is None else {one.orthanc_id: numbers.get(one.series_instance_uid, 0) for one in series}
