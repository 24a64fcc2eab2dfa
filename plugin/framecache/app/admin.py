"""The routes under /frame-cache/, and what is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from framecache.admin.actions import Actions
from framecache.admin.area import Area
from framecache.admin.dry_run import Preview
from framecache.admin.instance_jobs import Verification, Warming
from framecache.admin.jobs import Jobs
from framecache.admin.measurements import Measurements
from framecache.admin.resources import ArchivedInstances, ResourceUsage
from framecache.admin.status import Status
from framecache.admin.work import BackfillArea, JobWork, SharedWorkJobs
from framecache.app.core import Core
from framecache.app.prefetch import Prefetch
from framecache.app.site import Site
from framecache.instances.archive import ArchiveFigures
from framecache.maintenance.completeness import Completeness
from framecache.orthanc.hierarchy import Hierarchy


def admin_areas(
    site: Site,
    core: Core,
    prefetch: Prefetch,
    jobs: Jobs,
    archive_state: Callable[[], ArchiveFigures],
    archived: ArchivedInstances | None,
    completeness: Completeness,
) -> Iterator[Area]:
    catalogue, store, scheduler, metrics = core.catalogue, core.store, prefetch.scheduler, site.metrics
    change_feed, pool, archive = prefetch.change_feed, core.pool, Hierarchy(site.api)
    yield Status(
        site.findings,
        site.settings,
        catalogue,
        store,
        scheduler,
        change_feed,
        pool,
        metrics,
        site.url,
        archive_state,
        site.node,
        prefetch.backfill.figures,
    )
    yield ResourceUsage(archive, catalogue, store, scheduler, completeness.expected, archived)
    yield Actions(
        archive,
        catalogue,
        store,
        scheduler,
        prefetch.write_behind,
        jobs,
        Warming(scheduler, catalogue, store.usage).of,
        Verification(catalogue, store.blocks, metrics).of,
        site.events,
    )
    yield Preview(site.api, site.settings, jobs, prefetch.extraction_cost)
    yield JobWork(jobs, site.events, SharedWorkJobs(prefetch.backfill, jobs).refresh)
    yield BackfillArea(prefetch.backfill, jobs)


def measurements_of(
    site: Site,
    core: Core,
    prefetch: Prefetch,
    archive_state: Callable[[], ArchiveFigures],
    completeness: Completeness,
) -> Measurements:
    return Measurements(
        site.findings,
        site.settings,
        site.clock,
        core.catalogue,
        core.store,
        prefetch.scheduler,
        prefetch.change_feed,
        core.pool,
        archive_state,
        lambda: completeness.incomplete,
        prefetch.backfill.figures,
    )
