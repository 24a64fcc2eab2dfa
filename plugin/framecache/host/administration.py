"""The routes under /frame-cache/ of one installation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from framecache.admin.actions import Actions
from framecache.admin.area import Area
from framecache.admin.checks import check_admin_users
from framecache.admin.dry_run import Preview
from framecache.admin.instance_jobs import Verification, Warming
from framecache.admin.jobs import Jobs
from framecache.admin.measurements import Measurements
from framecache.admin.page import PATTERN, Document, Page, PageRoute
from framecache.admin.periodic import Periodic
from framecache.admin.prometheus import Monitoring
from framecache.admin.resources import Resources
from framecache.admin.routes import Access, ActionRoute, JsonRoute
from framecache.admin.statistics import Statistics
from framecache.admin.status import Status
from framecache.admin.work import BackfillArea, JobWork
from framecache.host.context import Context
from framecache.host.filling import Filling
from framecache.host.keeping import Keeping
from framecache.orthanc.hierarchy import Hierarchy

_PATIENCE_AT_THE_END = 2.0  # seconds


class Administration:
    """Its areas, each of which names its own routes."""

    def __init__(self, context: Context, keeping: Keeping, filling: Filling) -> None:
        self._settings = context.settings
        self._access = Access(context.settings.admin_users, context.configuration)
        self._jobs = Jobs(context.clock, context.events)
        measurements = _measurements(context, keeping, filling)
        statistics = Statistics(context.metrics, measurements, context.clock)
        monitoring = Monitoring(context.metrics, measurements, context.module)
        self._areas = [*_areas(context, keeping, filling, self._jobs), statistics, monitoring, Document()]
        self._pulse = Periodic([statistics.note, monitoring.publish], context.clock)
        context.findings.checks.append(check_admin_users(self._settings.admin_users, verified=self._access.verifies))

    def start(self) -> None:
        """Orthanc answers from now on, and takes metrics."""
        self._pulse.start()

    def stop(self) -> None:
        """Have the jobs end."""
        self._jobs.stop()
        self._pulse.stop()
        self._pulse.join(_PATIENCE_AT_THE_END)  # it may be writing to Orthanc's metrics, which end with Orthanc

    def routes(self) -> Iterator[tuple[str, Callable[..., None]]]:
        """The callbacks by the patterns of their paths, unless the settings want none."""
        if not self._settings.admin_routes:
            return
        yield PATTERN, PageRoute(Page(), self._access)
        for area in self._areas:
            for path, tell in area.told.items():
                yield f"/frame-cache/{path}", JsonRoute(tell, self._access)
            for path, act in area.done.items():
                yield f"/frame-cache/{path}", ActionRoute(act, self._access)


def _areas(context: Context, keeping: Keeping, filling: Filling, jobs: Jobs) -> Iterator[Area]:
    catalogue, store, scheduler = keeping.catalogue, keeping.store, filling.scheduler
    change_feed, pool, metrics, url = filling.change_feed, keeping.pool, context.metrics, context.url
    yield Status(context.findings, context.settings, catalogue, store, scheduler, change_feed, pool, metrics, url)
    archive = Hierarchy(context.api)
    yield Resources(archive, catalogue, store, scheduler)
    yield Actions(
        archive,
        catalogue,
        store,
        scheduler,
        filling.write_behind,
        jobs,
        Warming(scheduler, catalogue, store.usage).of,
        Verification(catalogue, store.blocks, metrics).of,
        context.events,
    )
    yield Preview(context.api, context.settings, jobs, filling.extraction_cost)
    yield JobWork(jobs, context.events)
    yield BackfillArea(filling.backfill, jobs)


def _measurements(context: Context, keeping: Keeping, filling: Filling) -> Measurements:
    return Measurements(
        context.findings,
        context.settings,
        context.clock,
        keeping.catalogue,
        keeping.store,
        filling.scheduler,
        filling.change_feed,
        keeping.pool,
    )
