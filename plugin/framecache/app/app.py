"""The parts of one installation, and Orthanc's events, which move them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

from framecache.admin import checks
from framecache.admin.jobs import Jobs
from framecache.admin.page import PATTERN, Document, PageFiles, PageRoute
from framecache.admin.periodic import Periodic
from framecache.admin.prometheus import Monitoring
from framecache.admin.routes import Access, ActionRoute, JsonRoute
from framecache.admin.start_checks import StartChecks
from framecache.admin.statistics import Statistics
from framecache.app.admin import admin_areas, measurements_of
from framecache.app.archiving import archive_state, archived_instances, connect_archiving, make_archiving
from framecache.app.core import make_core
from framecache.app.dicomweb import retrieve_routes
from framecache.app.maintenance import make_maintenance
from framecache.app.prefetch import make_prefetch
from framecache.app.site import Site
from framecache.app.subscriptions import connect
from framecache.orthanc.api import for_good
from framecache.orthanc.events import InstanceDeleted, InstanceStored
from framecache.serving.detours import detours
from framecache.threads import start_thread

OnChange = Callable[[int, int, str], None]
_PATIENCE_AT_THE_END = 2.0  # seconds


class App:
    """The parts of one installation, and Orthanc's events, which move them."""

    def __init__(self, site: Site) -> None:
        self._site, self._jobs = site, Jobs(site.clock, site.events)
        self._core = core = make_core(site)
        self._prefetch = prefetch = make_prefetch(site, core)
        self._archiving = archiving = make_archiving(site, core, prefetch.scheduler)
        self._maintenance = make_maintenance(site, core, prefetch, self._start_writing)
        self._access = Access(site.settings.admin_users, site.configuration)
        state = partial(archive_state, core.archive, archiving)
        completeness = self._maintenance.completeness
        measurements = measurements_of(site, core, prefetch, state, completeness)
        statistics = Statistics(site.metrics, measurements, site.clock)
        monitoring = Monitoring(site.metrics, measurements, site.module, site.node)
        self._areas = [
            *admin_areas(site, core, prefetch, self._jobs, state, archived_instances(core, archiving), completeness),
            statistics,
            monitoring,
            Document(),
        ]
        self._periodic = Periodic([statistics.note, monitoring.publish], site.clock)
        site.findings.checks.append(checks.check_admin_users(site.settings.admin_users, verified=self._access.verifies))
        site.findings.checks.append(_check_mode(site))
        connect(site, prefetch, self._maintenance)
        if archiving is not None:
            connect_archiving(site, archiving)

    def register(self, on_change: OnChange | None) -> None:
        """Register routes and events; routes can be registered only while the script is loaded."""
        module, tracer = self._site.module, self._site.tracer
        for pattern, route in self._admin_routes():
            module.RegisterRestCallback(pattern, for_good(route))
        for pattern, detour in detours().items():
            module.RegisterRestCallback(self._site.url.root + pattern, for_good(detour))
        for pattern, retrieve in retrieve_routes(self._site, self._core, self._prefetch):
            module.RegisterRestCallback(pattern, for_good(tracer.watched(retrieve) if tracer else retrieve))
        module.RegisterOnChangeCallback(for_good(self._on_change(on_change)))
        self._site.findings.serving = True

    def _admin_routes(self) -> Iterator[tuple[str, Callable[..., None]]]:
        """The callbacks under /frame-cache/ by the patterns of their paths, unless the settings want none."""
        if not self._site.settings.admin_routes:
            return
        yield PATTERN, PageRoute(PageFiles(), self._access)
        for area in self._areas:
            for path, answer in area.get_routes.items():
                yield f"/frame-cache/{path}", JsonRoute(answer, self._access)
            for path, action in area.post_routes.items():
                yield f"/frame-cache/{path}", ActionRoute(action, self._access)

    def _on_change(self, chained: OnChange | None) -> OnChange:
        """Orthanc's events wait for each other, so subscribers only leave notes."""
        publish, kinds = self._site.dispatcher.publish, self._site.module.ChangeType
        instance = self._site.module.ResourceType.INSTANCE

        def on_change(change: int, level: int, resource_id: str) -> None:
            if change == kinds.NEW_INSTANCE:
                publish(InstanceStored(resource_id))
            elif change == kinds.DELETED and level == instance:
                publish(InstanceDeleted(resource_id))
            elif change == kinds.ORTHANC_STARTED:
                start_thread("frame-cache-start", self._start)
            elif change == kinds.ORTHANC_STOPPED:
                self._stop()
            if chained is not None:
                chained(change, level, resource_id)

        return on_change

    def _start(self) -> None:
        """Orthanc answers from now on: check it, then work."""
        site, core = self._site, self._core
        StartChecks(
            site.module,
            site.api,
            site.configuration,
            site.url.root,
            site.findings,
            core.catalogue,
            core.codecs,
            answers_metadata=site.settings.metadata != "off",
        ).run()
        if not site.findings.stopping:
            self._prefetch.change_feed.start()
            self._maintenance.invalidation.start()
            self._maintenance.housekeeping.start()
            if self._archiving is not None:
                self._archiving.start()
            self._periodic.start()
            if site.tracer is not None:
                site.tracer.start()

    def _start_writing(self) -> None:
        """Behind the check of the folder: a block's file is there before its row is."""
        prefetch = self._prefetch
        prefetch.workers.start()
        prefetch.write_behind.start()
        prefetch.metadata_making.start()
        self._maintenance.reconciliation.start()
        self._maintenance.completeness.start()
        prefetch.queue_state.start()
        prefetch.related.start()
        prefetch.backfill.start()

    def _stop(self) -> None:
        """Ends within the time of one block; Orthanc waits for this event."""
        site, core = self._site, self._core
        site.findings.stopping = True
        if site.tracer is not None:
            site.tracer.stop()
        self._jobs.stop()
        self._periodic.stop()
        self._periodic.join(_PATIENCE_AT_THE_END)  # it may be writing to Orthanc's metrics, which end with Orthanc
        self._stop_workers()
        core.codecs.stop()
        for desk in core.desks:
            desk.close()
        # After `/tools/reset` the same process opens the folder again, while its old threads may still be at a block.
        self._join_writers()
        if core.archive is not None:
            core.archive.abandon()
        core.store.close()
        if site.tracer is not None:
            site.tracer.join()

    def _stop_workers(self) -> None:
        """Returns at once, but for the queue's last save."""
        prefetch, maintenance = self._prefetch, self._maintenance
        for worker in (
            prefetch.queue_state,
            prefetch.backfill,
            prefetch.related,
            prefetch.change_feed,
            prefetch.workers,
            maintenance.invalidation,
            prefetch.write_behind,
            prefetch.metadata_making,
            maintenance.reconciliation,
            maintenance.completeness,
            maintenance.housekeeping,
        ):
            worker.stop()
        if self._archiving is not None:
            self._archiving.stop()

    def _join_writers(self) -> None:
        """Wait a little for those who write."""
        maintenance, deadline = self._maintenance, time.monotonic() + _PATIENCE_AT_THE_END
        prefetch = self._prefetch
        for join in (
            maintenance.invalidation.join,
            maintenance.housekeeping.join,
            prefetch.workers.join,
            prefetch.metadata_making.join,
        ):
            join(max(0.0, deadline - time.monotonic()))
        if self._archiving is not None:
            self._archiving.join(max(0.0, deadline - time.monotonic()))


def _check_mode(site: Site) -> checks.Check:
    settings, where = site.settings, ""
    if settings.storage_url:
        where = "in a bucket (StorageURL)"
    elif site.configuration.get("StorageCompression") is True:
        where = "compressed (StorageCompression)"
    return checks.check_mode(
        keeps_places=settings.mode == "index" or any(rule.form == "index" for rule in settings.rules), where=where
    )
