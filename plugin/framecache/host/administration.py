"""The routes under /frame-cache/ of one installation."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from framecache.administration.actions import Actions
from framecache.administration.answers import Area
from framecache.administration.archive_view import ArchiveView
from framecache.administration.backfill import Backfill
from framecache.administration.checks import check_admin_users
from framecache.administration.document import Document
from framecache.administration.jobs import Jobs
from framecache.administration.measurements import Measurements
from framecache.administration.monitoring import Monitoring
from framecache.administration.page import Page
from framecache.administration.preview import Preview
from framecache.administration.pulse import Pulse
from framecache.administration.resources import Resources
from framecache.administration.statistics import Statistics
from framecache.administration.status import Status
from framecache.administration.verification import Verification
from framecache.administration.warming import Warming
from framecache.administration.work import Work
from framecache.host.access import Access
from framecache.host.admin_routes import ActionRoute, JsonRoute
from framecache.host.context import Context
from framecache.host.filling import Filling
from framecache.host.keeping import Keeping
from framecache.host.page_route import PATTERN, PageRoute

_PATIENCE_AT_THE_END = 2.0  # seconds


class Administration:
    """Its areas, each of which names its own routes."""

    def __init__(self, context: Context, keeping: Keeping, filling: Filling) -> None:
        self._settings, self._log = context.settings, context.log
        self._access = Access(context.settings.admin_users, context.configuration)
        self._jobs = Jobs(context.clock, context.log, context.events)
        measurements = _measurements(context, keeping, filling)
        statistics = Statistics(context.metrics, measurements, context.clock)
        monitoring = Monitoring(context.metrics, measurements, context.module)
        self._areas = [*_areas(context, keeping, filling, self._jobs), statistics, monitoring, Document()]
        self._pulse = Pulse([statistics.note, monitoring.publish], context.clock, context.log)
        self._workers = list[threading.Thread]()
        context.findings.checks.append(check_admin_users(self._settings.admin_users, verified=self._access.verifies))

    def start(self) -> None:
        """Orthanc answers from now on, and takes metrics."""
        self._workers.append(self._pulse.start())

    def stop(self) -> None:
        """Have the jobs end."""
        self._jobs.stop()
        self._pulse.stop()
        for worker in self._workers:  # it may be writing to Orthanc's metrics, which end with Orthanc
            worker.join(_PATIENCE_AT_THE_END)

    def routes(self) -> Iterator[tuple[str, Callable[..., None]]]:
        """The callbacks by the patterns of their paths, unless the settings want none."""
        if not self._settings.admin_routes:
            return
        yield PATTERN, PageRoute(Page(), self._access)
        for area in self._areas:
            for path, tell in area.told.items():
                yield f"/frame-cache/{path}", JsonRoute(tell, self._access, self._log)
            for path, act in area.done.items():
                yield f"/frame-cache/{path}", ActionRoute(act, self._access, self._log)


def _areas(context: Context, keeping: Keeping, filling: Filling, jobs: Jobs) -> Iterator[Area]:
    catalogue, store, filler, log = keeping.catalogue, keeping.store, filling.filler, context.log
    intake, pool, metrics, url = filling.intake, keeping.pool, context.metrics, context.url
    yield Status(context.findings, context.settings, catalogue, store, filler, intake, pool, metrics, url)
    archive = ArchiveView(context.api)
    yield Resources(archive, catalogue, store, filler)
    yield Actions(
        archive,
        catalogue,
        store,
        filler,
        filling.keeper,
        jobs,
        Warming(filler, catalogue, store).of,
        Verification(catalogue, store, metrics, log).of,
        context.events,
        log,
    )
    yield Preview(context.api, context.settings, jobs, filling.pace, log)
    yield Work(jobs, context.events)
    yield Backfill(filling.backfill, jobs)


def _measurements(context: Context, keeping: Keeping, filling: Filling) -> Measurements:
    return Measurements(
        context.findings,
        context.settings,
        context.clock,
        keeping.catalogue,
        keeping.store,
        filling.filler,
        filling.intake,
        keeping.pool,
    )
