"""Puts the parts together inside one Orthanc: `install` is all that a PythonScript has to call."""

from __future__ import annotations

import json
import logging
import os
import socket
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framecache.admin import checks
from framecache.admin.actions import Actions
from framecache.admin.area import Area
from framecache.admin.checks import Findings
from framecache.admin.dry_run import Preview
from framecache.admin.instance_jobs import Verification, Warming
from framecache.admin.jobs import Jobs
from framecache.admin.measurements import Measurements
from framecache.admin.page import PATTERN, Document, PageFiles, PageRoute, explorer_script
from framecache.admin.periodic import Periodic
from framecache.admin.prometheus import Monitoring
from framecache.admin.resources import ResourceUsage
from framecache.admin.routes import Access, ActionRoute, JsonRoute
from framecache.admin.start_checks import StartChecks
from framecache.admin.statistics import Statistics
from framecache.admin.status import Status
from framecache.admin.work import BackfillArea, JobWork, SharedWorkJobs
from framecache.codecs.codec_pool import CodecPool
from framecache.codecs.codec_pools import CodecPools
from framecache.config.reading import is_strict, lenient_admin_settings, parse_hours, read_settings
from framecache.config.settings import MEGABYTE, Settings
from framecache.dicomweb.url import PublicUrl
from framecache.dispatcher import Dispatcher
from framecache.errors import FrameCacheError, SettingsError, SourceError, reason
from framecache.instances.archive import Archive, ArchiveFigures
from framecache.instances.catalogue import Catalogue
from framecache.instances.frame_sources import FrameSources
from framecache.instances.headers import Headers
from framecache.instances.metadata import MetadataCatalogue, MetadataMaker
from framecache.instances.stored_files import StoredFiles
from framecache.maintenance.completeness import Completeness
from framecache.maintenance.housekeeping import Housekeeping
from framecache.maintenance.invalidation import Invalidation
from framecache.maintenance.reconciliation import Reconciliation, StaleInstanceFound
from framecache.orthanc.api import ModuleApi, for_good
from framecache.orthanc.bucket import ObjectStore, StorageBucket, store_options
from framecache.orthanc.data_dictionary import data_dictionary
from framecache.orthanc.default_encoding import default_character_set
from framecache.orthanc.events import InstanceDeleted, InstanceStored
from framecache.orthanc.hierarchy import Hierarchy
from framecache.orthanc.instance import Instance
from framecache.orthanc.log_handler import log_to_orthanc
from framecache.orthanc.request_text import take_any_bytes
from framecache.orthanc.senders import Senders
from framecache.orthanc.studies import Studies
from framecache.plurals import counted
from framecache.policy.policy import Policy
from framecache.ports import Clock, HeaderApi, OrthancModule
from framecache.prefetch.admission import Admission
from framecache.prefetch.backfill import Backfill
from framecache.prefetch.backfill_plan import BackfillControl, Plan
from framecache.prefetch.change_feed import ChangeFeed
from framecache.prefetch.checkpoint import Checkpoint
from framecache.prefetch.events import (
    CheckpointHasRoom,
    ExtractionStateChanged,
    InstanceDone,
    InstanceOpened,
    InstancesDescribed,
    InstancesLogged,
    SeriesArrived,
    StoredFormCached,
    StudyArrived,
)
from framecache.prefetch.extraction import Extractor
from framecache.prefetch.extraction_cost import ExtractionCost
from framecache.prefetch.extraction_workers import ExtractionWorkers
from framecache.prefetch.instance_caching import InstanceCaching
from framecache.prefetch.metadata_making import MetadataMaking
from framecache.prefetch.queue_state import QueueState
from framecache.prefetch.related import RelatedStudies
from framecache.prefetch.scheduler import Scheduler
from framecache.prefetch.tracing import trace_instances
from framecache.prefetch.write_behind import WriteBehind
from framecache.serving.answer import Reporter
from framecache.serving.assembly import Assembly, Limits
from framecache.serving.detours import detours
from framecache.serving.file_transcoder import FileTranscoder
from framecache.serving.frames import Frames
from framecache.serving.instance_files import InstanceFiles
from framecache.serving.instance_retrieval import InstanceRetrieval
from framecache.serving.metadata_retrieval import MetadataRetrieval
from framecache.serving.rendering import Rendering
from framecache.serving.representations import Representations
from framecache.serving.retrieval import Retrieval
from framecache.serving.route import SENTINEL, RetrieveRoute
from framecache.serving.sending import SendLimiter
from framecache.serving.study_retrieval import StudyRetrieval
from framecache.serving.transactions import (
    AllFrames,
    FrameList,
    FramePicture,
    InstanceMetadata,
    InstancePicture,
    SeriesMetadata,
    SeriesPicture,
    StudyMetadata,
    Transaction,
    WholeInstance,
    WholeSeries,
    WholeStudy,
)
from framecache.shared_buffers import SharedBuffers
from framecache.store.buffers import BufferPool
from framecache.store.disk.disk_store import DiskStore
from framecache.store.disk.eviction import Lifetime
from framecache.store.parts import OnRemoved, RemovalCause
from framecache.store.resilient_store import ResilientStore
from framecache.store.store import Store
from framecache.telemetry.events import Events, Kind
from framecache.telemetry.metrics import Metrics, Route
from framecache.telemetry.tracing.exporter import protocol_error, wants_traces
from framecache.telemetry.tracing.tracer import Tracer
from framecache.threads import Desk, start_thread

if TYPE_CHECKING:
    from framecache.archiving.archiving import Archiving

logger = logging.getLogger(__name__)

OnChange = Callable[[int, int, str], None]

_PATIENCE_AT_THE_END = 2.0  # seconds
_KEPT_BUFFERS = 256 * MEGABYTE
_DESK_THREADS, _METADATA_THREADS, _BUCKET_THREADS, _ARCHIVE_THREADS = 2, 2, 16, 8
_LEDGER = "archive.sqlite"
_DAY = 86400.0
_FEWEST_TURNS = 4


def install(module: OrthancModule, on_change: OnChange | None = None, explorer: str = "") -> None:
    """Install the frame cache into the Orthanc whose module `orthanc` this is, while its script is loaded.

    An Orthanc has one OnChange callback: a site's own is given as `on_change` and called after ours. So it is with the
    JavaScript that extends Orthanc Explorer: a site's own is given as `explorer`.
    Raises SettingsError, and so stops Orthanc's start, only with `"Strict": true`.
    """
    log_to_orthanc(logging.getLogger("framecache"), module)
    configuration: dict[str, Any] = json.loads(module.GetConfiguration())
    findings = Findings()
    try:
        settings = _read_settings(module, configuration)
        findings.checks.append(checks.check_settings(None))
    except SettingsError as error:
        if is_strict(configuration.get("FrameCache")):
            raise
        findings.checks.append(checks.check_settings(str(error)))
        settings = None
    findings.checks.append(checks.check_threads(configuration))
    findings.checks.append(_check_core(module))
    wrong = [check for check in findings.failed if check.fatal]
    if settings is not None and settings.enable and settings.strict and wrong:
        raise SettingsError("; ".join(check.advice for check in wrong))
    if settings is None or wrong or not settings.enable or not _is_dicom_web_on(configuration):
        _stand_aside(module, findings, configuration, on_change)
        if settings is not None and not settings.enable:
            findings.checks.append(checks.check_enabled())
        elif not wrong and not _is_dicom_web_on(configuration):
            findings.checks.append(checks.check_dicom_web_enabled())
    else:
        take_any_bytes()
        storage = _storage_directory(module, configuration)
        tracer = trace(os.environ, settings.python, findings)
        metrics = Metrics(tracer.journal.missed) if tracer else Metrics()
        App(Site(module, configuration, settings, storage, findings, tracer, metrics)).register(on_change)
        explorer = f"{explorer_script()}\n{explorer}" if settings.admin_routes else explorer
    if explorer:
        module.ExtendOrthancExplorer(explorer)


def _read_settings(module: OrthancModule, configuration: Mapping[str, Any]) -> Settings:
    default = _storage_directory(module, configuration).parent / "FrameCache"
    return read_settings(configuration.get("FrameCache", {}), default, _configuration_folder(module))


def _is_dicom_web_on(configuration: Mapping[str, Any]) -> bool:
    """The stock plugin's switch: what an administrator turned off is off, whoever would answer it."""
    section = configuration.get("DicomWeb")
    return not (isinstance(section, Mapping) and section.get("Enable") is False)


def _check_core(module: OrthancModule) -> checks.Check:
    new_enough = module.CheckVersionAdvanced(*checks.OLDEST_CORE)
    return checks.check_core(".".join(map(str, checks.OLDEST_CORE)) if new_enough else "0")


def _storage_directory(module: OrthancModule, configuration: Mapping[str, Any]) -> Path:
    return _configuration_folder(module) / str(configuration.get("StorageDirectory") or "OrthancStorage")


def _configuration_folder(module: OrthancModule) -> Path:
    """Where Orthanc reads a relative path of its configuration from, such as StorageDirectory."""
    source = Path(module.GetConfigurationPath() or ".")
    return (source if source.is_dir() else source.parent).absolute()


def _stand_aside(
    module: OrthancModule,
    findings: Findings,
    configuration: Mapping[str, Any],
    on_change: OnChange | None,
) -> None:
    """Orthanc starts and the stock plugin serves; only the status and its page are ours, and say why."""
    for check in findings.failed:
        logger.error("OFF: %s", check.advice)
    wanted, users = lenient_admin_settings(configuration.get("FrameCache"))
    if wanted:
        access = Access(users, configuration)
        module.RegisterRestCallback("/frame-cache/status", for_good(JsonRoute(findings.to_json, access)))
        module.RegisterRestCallback(PATTERN, for_good(PageRoute(PageFiles(), access)))
    if on_change is not None:
        module.RegisterOnChangeCallback(for_good(on_change))


def trace(environment: Mapping[str, str], python: str, findings: Findings) -> Tracer | None:
    """None where nothing asks for traces, or they cannot be had in the form that is asked for."""

    def note(error: str | None) -> None:
        check = checks.check_tracing(error)
        findings.note(check)
        if not check.passed:
            logger.error(check.advice)

    if not wants_traces(environment):
        return None
    error = protocol_error(environment)
    findings.note(checks.check_tracing(error))
    return None if error else Tracer(python, note, SENTINEL.study_instance_uid)


@dataclass(frozen=True)
class Site:
    """One Orthanc, its configuration and our settings in it; `storage` is the folder of its files.

    There is no `tracer` unless the environment asks for it.
    """

    module: OrthancModule
    configuration: Mapping[str, Any]
    settings: Settings
    storage: Path
    findings: Findings
    tracer: Tracer | None
    metrics: Metrics
    dispatcher: Dispatcher = field(default_factory=Dispatcher)
    events: Events = field(default_factory=lambda: Events(time))
    clock: Clock = time

    @cached_property
    def policy(self) -> Policy:
        """What decides which instances are cached, and how."""
        return self.settings.policy()

    @property
    def api(self) -> HeaderApi:
        """Orthanc's REST API, which answers from ORTHANC_STARTED on."""
        return ModuleApi(self.module)

    @property
    def url(self) -> PublicUrl:
        """Where DICOMweb's routes are."""
        section = self.configuration.get("DicomWeb")
        return PublicUrl.from_configuration(section if isinstance(section, Mapping) else {})


@dataclass(frozen=True)
class Core:
    """What all others stand on: the store, what is known of instances, the memory of answers, the codecs."""

    store: Store
    catalogue: Catalogue
    files: StoredFiles
    archive: Archive | None
    sources: FrameSources
    pool: BufferPool
    codecs: CodecPools
    metadata: MetadataMaker
    metadata_desk: Desk
    desks: Sequence[Desk]


@dataclass(frozen=True)
class Prefetch:
    """What caches instances ahead of requests, and behind them."""

    scheduler: Scheduler
    workers: ExtractionWorkers
    extraction_cost: ExtractionCost
    checkpoint: Checkpoint
    change_feed: ChangeFeed
    related: RelatedStudies
    queue_state: QueueState
    backfill: BackfillControl
    write_behind: WriteBehind
    metadata_making: MetadataMaking


@dataclass(frozen=True)
class Maintenance:
    """What keeps the cache true and bounded."""

    invalidation: Invalidation
    reconciliation: Reconciliation
    housekeeping: Housekeeping
    completeness: Completeness


class App:
    """The parts of one installation, and Orthanc's events, which move them."""

    def __init__(self, site: Site) -> None:
        self._site, self._jobs = site, Jobs(site.clock, site.events)
        self._core = core = _core(site)
        self._prefetch = prefetch = _prefetch(site, core)
        self._archiving = archiving = _archiving(site, core, prefetch.scheduler)
        self._maintenance = _maintenance(site, core, prefetch, self._start_writing)
        self._access = Access(site.settings.admin_users, site.configuration)
        state = partial(_archive_state, core.archive, archiving)
        completeness = self._maintenance.completeness
        measurements = _measurements(site, core, prefetch, state, completeness)
        statistics = Statistics(site.metrics, measurements, site.clock)
        monitoring = Monitoring(site.metrics, measurements, site.module)
        self._areas = [
            *_areas(site, core, prefetch, self._jobs, state, completeness),
            statistics,
            monitoring,
            Document(),
        ]
        self._periodic = Periodic([statistics.note, monitoring.publish], site.clock)
        site.findings.checks.append(checks.check_admin_users(site.settings.admin_users, verified=self._access.verifies))
        _connect(site, prefetch, self._maintenance)
        if archiving is not None:
            _connect_archiving(site, archiving)

    def register(self, on_change: OnChange | None) -> None:
        """Register routes and events; routes can be registered only while the script is loaded."""
        module, tracer = self._site.module, self._site.tracer
        for pattern, route in self._admin_routes():
            module.RegisterRestCallback(pattern, for_good(route))
        for pattern, detour in detours().items():
            module.RegisterRestCallback(self._site.url.root + pattern, for_good(detour))
        for pattern, retrieve in _retrieve_routes(self._site, self._core, self._prefetch):
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


def _core(site: Site) -> Core:
    settings, store = site.settings, _open_store(site)
    desk, back_desk = Desk("frame-cache-desk", _DESK_THREADS), Desk("frame-cache-back-desk", 1)
    metadata_desk = Desk("frame-cache-metadata-desk", _METADATA_THREADS)
    catalogue = Catalogue(
        site.api,
        store,
        desk,
        site.clock,
        site.storage,
        settings.revalidate_seconds,
        decide=site.policy.decide,
        back_desk=back_desk,
    )
    catalogue.trusts_files = False  # until Orthanc has told that it keeps and deletes them itself
    bucket_desk = Desk("frame-cache-bucket", _BUCKET_THREADS if settings.storage_url else 0)
    contents = SharedBuffers(settings.maximum_inflated_mb * MEGABYTE)
    bucket = _bucket(site, bucket_desk) if settings.storage_url else None
    files = StoredFiles(site.api, contents, bucket)
    pool = BufferPool(settings.maximum_memory_mb * MEGABYTE, _KEPT_BUFFERS)
    memory = settings.codec_memory_mb * MEGABYTE
    codecs = CodecPools(settings.python, settings.codec_processes, memory, settings.codec_seconds)
    archive_desk = Desk("frame-cache-archive", _ARCHIVE_THREADS if settings.archive else 0)
    archive = _archive(site, archive_desk) if settings.archive else None
    sources = FrameSources(files, archive if settings.archive_read else None)
    encoding = default_character_set(site.configuration.get("DefaultEncoding"))
    metadata = MetadataMaker(Headers(site.api, site.storage, bucket), encoding, data_dictionary(site.configuration))
    desks = (desk, back_desk, bucket_desk, archive_desk, metadata_desk)
    return Core(store, catalogue, files, archive, sources, pool, codecs, metadata, metadata_desk, desks)


def _archive(site: Site, desk: Desk) -> Archive | None:
    """The archive, which is opened when it is needed; None where what that takes is not installed."""
    url = site.settings.archive
    try:
        from framecache.tree.tree import Tree  # noqa: PLC0415 - needs an optional extra
    except ImportError as error:
        advice = f'the extra "archive" is not installed: pip install framecache[archive] ({error})'
        site.findings.checks.append(checks.check_archive(advice))
        return None
    site.findings.checks.append(checks.check_archive(None))
    return Archive(lambda: Tree.open(url, options=store_options(url)), desk, site.clock, site.metrics)


def _archiving(site: Site, core: Core, scheduler: Scheduler) -> Archiving | None:
    """What writes to the archive; None where nothing is to be written."""
    settings = site.settings
    writes = settings.archive_write != "never" or any(rule.archive not in (None, "never") for rule in settings.rules)
    if core.archive is None or not writes:
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
        )
    except (OSError, sqlite3.Error) as error:
        site.findings.note(checks.check_archive(f"its ledger cannot be opened: {error}"))
        return None


def _bucket(site: Site, desk: Desk) -> StorageBucket | None:
    """Where a storage plugin keeps Orthanc's files; None where it cannot be used, and Orthanc is asked as ever."""
    try:
        bucket = StorageBucket(ObjectStore(site.settings.storage_url), desk, site.clock, site.metrics)
    except SettingsError as error:
        site.findings.checks.append(checks.check_storage_url(str(error)))
        return None
    site.findings.checks.append(checks.check_storage_url(None))
    return bucket


def _open_store(site: Site) -> Store:
    settings, events = site.settings, site.events
    limit, free = settings.maximum_size_mb * MEGABYTE, settings.minimum_free_disk_mb * MEGABYTE
    lifetime = Lifetime(site.policy.shortest_stay * _DAY, _lifetime_of(site.policy, settings.maximum_age_days))
    store = ResilientStore(
        lambda: DiskStore(settings.directory, limit, free, lifetime, _removed(site.metrics, events)),
        limit,
        site.clock,
        lambda reason: events.note("degraded" if reason else "recovered", text=reason or ""),
    )
    site.findings.checks.append(checks.check_store(store.degraded.reason if store.degraded else None))
    return store


def _lifetime_of(policy: Policy, usual_days: float) -> Callable[[bytes], float]:
    """What the rules say of an instance by its record, in seconds; what they do not, of one that cannot be read.

    They are asked as its time comes, so that it is by the settings and the day of then.
    """

    def lifetime(record: bytes) -> float:
        try:
            return policy.decide(Instance.from_json(record)).keep_days * _DAY
        except SourceError:
            return usual_days * _DAY

    return lifetime


def _removed(metrics: Metrics, events: Events) -> OnRemoved:
    """What left the cache counts, and is an event; purges are told by who asked for them, whole studies at once."""

    def note(cause: RemovalCause, orthanc_ids: Collection[str], size: int) -> None:
        metrics.removed(cause, len(orthanc_ids), size)
        kind: Kind = "deleted" if cause == "deleted" else "evicted"
        for orthanc_id in orthanc_ids if cause != "purged" else ():
            events.note(kind, "instances", orthanc_id, cause)

    return note


def _prefetch(site: Site, core: Core) -> Prefetch:
    settings, clock, notes, dispatcher = site.settings, site.clock, core.store.notes, site.dispatcher
    scheduler, cost = Scheduler(site.metrics, clock, dispatcher), ExtractionCost(notes, clock)
    admission, studies = Admission(site.api, site.policy), Studies(site.api)
    related = RelatedStudies(
        studies,
        admission,
        scheduler,
        clock,
        opens=settings.warm_study,
        priors=settings.priors,
        same_modality=settings.priors_same_modality,
    )
    checkpoint = Checkpoint(dispatcher)
    return Prefetch(
        scheduler,
        _extraction_workers(site, core, scheduler, cost),
        cost,
        checkpoint,
        ChangeFeed(site.api, scheduler, checkpoint, notes, site.metrics, admission, dispatcher),
        related,
        QueueState(scheduler, related, notes),
        _backfill(site, core, studies, admission, scheduler),
        WriteBehind(core.catalogue, core.store),
        _metadata_making(site, core),
    )


def _metadata_making(site: Site, core: Core) -> MetadataMaking:
    policy, only_cached = site.policy, site.settings.metadata != "all"
    return MetadataMaking(
        core.metadata,
        core.store,
        core.catalogue.forget_stale,
        (lambda one: policy.decide(one).is_kept_at_arrival) if only_cached else (lambda _: True),
        only_cached=only_cached,
    )


def _extraction_workers(site: Site, core: Core, scheduler: Scheduler, cost: ExtractionCost) -> ExtractionWorkers:
    catalogue, store, metrics, clock = core.catalogue, core.store, site.metrics, site.clock
    extractor, background = (
        Extractor(core.sources, store, core.pool, core.codecs.background, cost, may_evict=may_evict)
        for may_evict in (True, False)
    )
    caching = InstanceCaching(catalogue, extractor, background, store, scheduler, metrics, clock)
    return ExtractionWorkers(site.settings.workers, scheduler, caching, catalogue, store, metrics, clock)


def _backfill(site: Site, core: Core, studies: Studies, admission: Admission, scheduler: Scheduler) -> BackfillControl:
    """Shared with other nodes where `Cluster` is set and its extra is there: procrastinate and psycopg."""
    dsn, plan = os.environ.get("FRAMECACHE_CLUSTER") or site.settings.cluster, _backfill_plan(site.settings)
    parts = (studies, admission, scheduler, core.store, site.clock, plan)
    if not dsn:
        return Backfill(*parts)
    node = f"{site.configuration.get('Name') or 'Orthanc'}@{socket.gethostname()}"
    try:
        shared: BackfillControl = import_module("framecache.cluster.shared_backfill").SharedBackfill(dsn, node, *parts)
    except (ImportError, FrameCacheError) as error:
        site.findings.note(checks.check_cluster(reason(error)))
        logger.error("work is not shared: %s", reason(error))
        return Backfill(*parts)
    site.findings.note(checks.check_cluster(None))
    return shared


def _backfill_plan(settings: Settings) -> Plan:
    return Plan(
        starts=settings.backfill,
        hours=parse_hours(settings.backfill_hours),
        rate=settings.backfill_mb_per_second * MEGABYTE,
        newest_days=settings.backfill_newest_days,
        share=settings.backfill_fill_percent / 100,
    )


def _maintenance(site: Site, core: Core, prefetch: Prefetch, when_checked: Callable[[], None]) -> Maintenance:
    catalogue, store = core.catalogue, core.store
    return Maintenance(
        Invalidation(catalogue, store.records, prefetch.scheduler),
        Reconciliation(site.api, store.versions, store.metadata, site.dispatcher, catalogue.has_file),
        Housekeeping(store, core.pool, when_checked),
        _completeness(site),
    )


def _completeness(site: Site) -> Completeness:
    senders = Senders(site.api) if site.settings.ask_sender else None
    return Completeness(Hierarchy(site.api), senders, site.events, site.clock, site.settings.incomplete_seconds)


def _connect(site: Site, prefetch: Prefetch, maintenance: Maintenance) -> None:
    """Who acts on what has happened."""
    subscribe, checkpoint, feed = site.dispatcher.subscribe, prefetch.checkpoint, prefetch.change_feed
    subscribe(InstanceStored, lambda event: feed.arrived(event.orthanc_id))
    subscribe(InstanceDeleted, lambda event: maintenance.invalidation.deleted(event.orthanc_id))
    subscribe(SeriesArrived, lambda event: maintenance.completeness.arrived(event.series_id))
    subscribe(InstancesLogged, lambda event: maintenance.reconciliation.logged(event.orthanc_ids))
    subscribe(StaleInstanceFound, lambda event: maintenance.invalidation.deleted(event.orthanc_id))
    if site.settings.metadata != "off":
        subscribe(InstancesDescribed, lambda event: prefetch.metadata_making.arrived(event.instances))
        subscribe(InstanceDeleted, lambda event: prefetch.metadata_making.deleted(event.orthanc_id))
    subscribe(CheckpointHasRoom, lambda _: feed.read_on())
    subscribe(StudyArrived, lambda event: prefetch.related.study_arrived(event.study_id))
    subscribe(InstanceOpened, lambda event: prefetch.related.opened(event.entry))
    subscribe(StoredFormCached, lambda event: checkpoint.stored_form_cached(event.orthanc_id))
    subscribe(InstanceDone, lambda event: checkpoint.done(event.orthanc_id))
    subscribe(InstanceDone, lambda event: prefetch.backfill.done(event.orthanc_id))
    subscribe(ExtractionStateChanged, partial(_note_state, site.events))
    if site.tracer is not None:
        trace_instances(site.dispatcher, site.tracer.journal, site.clock)


def _connect_archiving(site: Site, archiving: Archiving) -> None:
    subscribe = site.dispatcher.subscribe
    subscribe(InstanceStored, lambda _: archiving.stored())
    subscribe(InstanceDeleted, lambda event: archiving.deleted(event.orthanc_id))
    subscribe(InstanceOpened, lambda event: archiving.opened(event.entry.instance.orthanc_id))


def _archive_state(archive: Archive | None, archiving: Archiving | None) -> ArchiveFigures:
    return archive.figures(archiving.behind if archiving else 0) if archive else ArchiveFigures()


def _note_state(events: Events, event: ExtractionStateChanged) -> None:
    """What the page's list of events has of the work."""
    state, orthanc_id = event.state, event.task.orthanc_id
    if state.state == "cached" and state.frames:  # else all of it was cached before
        text = counted(state.frames, "frame")
        events.note("cached", "instances", orthanc_id, f"{text}; {state.error}" if state.error else text)
    elif state.state == "failed":
        events.note("failed", "instances", orthanc_id, state.error or "")


def _retrieve_routes(site: Site, core: Core, prefetch: Prefetch) -> Iterator[tuple[str, RetrieveRoute]]:
    """The callbacks of DICOMweb by the patterns of their paths."""
    findings, root, turns = site.findings, site.url.root, SendLimiter(max(_FEWEST_TURNS, 2 * (os.cpu_count() or 1)))
    route = partial(
        RetrieveRoute,
        metrics=site.metrics,
        turns=turns,
        is_stopping=lambda: findings.stopping,
        is_kept_by_proxy=site.settings.x_accel_expires,
    )
    for transaction in _frame_transactions(site, core, prefetch):
        yield root + transaction.pattern, route(transaction, is_serving=lambda: findings.serving)
    # There is no way to the stock plugin, so these are answered whatever the checks find.
    metadata = _metadata_transactions(site, core, prefetch) if site.settings.metadata != "off" else ()
    for transaction in chain(_whole_transactions(site, core), metadata):
        yield root + transaction.pattern, route(transaction, is_serving=lambda: True)


def _frame_transactions(site: Site, core: Core, prefetch: Prefetch) -> Iterator[Transaction]:
    catalogue, codecs, url, settings = core.catalogue, core.codecs.foreground, site.url, site.settings
    frames = Frames(core.sources, codecs, prefetch.write_behind)
    assembly = partial(Assembly, frames, core.pool, prefetch.scheduler, limits=_limits(settings))
    representations = Representations(
        can_transcode=frames.can_transcode, wildcard_is_stored=settings.wildcard == "stored"
    )
    reporter = _reporter(site, "frames")
    retrieval = Retrieval(catalogue, representations, assembly(reporter=reporter), reporter, url)
    yield from (FrameList(retrieval), AllFrames(retrieval))
    if codecs is not None:
        reporter = _reporter(site, "rendered")
        rendering = Rendering(catalogue, assembly(reporter=reporter), reporter, url)
        yield from (FramePicture(rendering), InstancePicture(rendering), SeriesPicture(rendering, catalogue))


def _whole_transactions(site: Site, core: Core) -> Iterator[Transaction]:
    catalogue, pool, url, reporter = core.catalogue, core.pool, site.url, _reporter(site, "instance")
    files = partial(_instance_files, site, core)
    yield WholeInstance(InstanceRetrieval(catalogue, files(core.codecs.foreground), pool, reporter, url))
    # A viewer waits for an instance; nobody looks at a whole study while it comes.
    studies = StudyRetrieval(catalogue, files(core.codecs.background), pool, reporter, url)
    yield from (WholeSeries(studies), WholeStudy(studies))


def _metadata_transactions(site: Site, core: Core, prefetch: Prefetch) -> Iterator[Transaction]:
    settings, catalogue = site.settings, core.catalogue
    kept = core.store.metadata
    retrieval = MetadataRetrieval(
        catalogue,
        MetadataCatalogue(site.api, kept, core.metadata, catalogue, site.clock, settings.revalidate_seconds),
        core.metadata_desk,
        Reporter(site.metrics, site.clock, "metadata", settings.cache_control, vary="Accept, Accept-Encoding"),
        site.url,
        prefetch.metadata_making.keep,
        may_compress=site.configuration.get("HttpCompressionEnabled") is not True,
    )
    yield from (StudyMetadata(retrieval), SeriesMetadata(retrieval), InstanceMetadata(retrieval))


def _instance_files(site: Site, core: Core, codecs: CodecPool | None) -> InstanceFiles:
    return InstanceFiles(FileTranscoder(core.sources, codecs) if codecs else None, site.api, core.files)


def _reporter(site: Site, route: Route) -> Reporter:
    return Reporter(site.metrics, site.clock, route, site.settings.cache_control)


def _limits(settings: Settings) -> Limits:
    return Limits(settings.maximum_frames_per_request, settings.maximum_answer_mb * MEGABYTE)


def _areas(
    site: Site,
    core: Core,
    prefetch: Prefetch,
    jobs: Jobs,
    archive_state: Callable[[], ArchiveFigures],
    completeness: Completeness,
) -> Iterator[Area]:
    catalogue, store, scheduler, metrics = core.catalogue, core.store, prefetch.scheduler, site.metrics
    change_feed, pool, archive = prefetch.change_feed, core.pool, Hierarchy(site.api)
    yield Status(
        site.findings, site.settings, catalogue, store, scheduler, change_feed, pool, metrics, site.url, archive_state
    )
    yield ResourceUsage(archive, catalogue, store, scheduler, completeness.expected)
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


def _measurements(
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
    )
