"""Puts the parts together inside one Orthanc: `install` is all that a PythonScript has to call."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from framecache.archive.catalogue import Catalogue
from framecache.archive.sources import Sources
from framecache.cache.buffers import BufferPool
from framecache.cache.disk_store import DiskStore
from framecache.cache.frame_store import FrameStore
from framecache.cache.guarded_store import GuardedStore
from framecache.codecs.codec_pool import CodecPool
from framecache.dicomweb.public_url import PublicUrl
from framecache.errors import FrameCacheError, SettingsError
from framecache.filling.audit import Audit
from framecache.filling.backlog import Backlog
from framecache.filling.caretaker import Caretaker
from framecache.filling.extraction import Extractor
from framecache.filling.filler import Filler
from framecache.filling.intake import Intake
from framecache.filling.janitor import Janitor
from framecache.filling.keeper import Keeper
from framecache.host import checks
from framecache.host.access import Access
from framecache.host.admin_routes import ActionRoute, JsonRoute
from framecache.host.administration import Administration, Findings
from framecache.host.orthanc_adapter import (
    SENTINEL,
    SENTINEL_ANSWER,
    ModuleApi,
    ModuleLog,
    RetrieveRoute,
    for_good,
)
from framecache.metrics import Metrics
from framecache.ports import Log, OrthancModule
from framecache.serving.frames import Frames
from framecache.serving.instance_retrieval import InstanceRetrieval
from framecache.serving.rendering import Rendering
from framecache.serving.retrieval import Limits, Responder, Retrieval
from framecache.serving.transactions import (
    AllFrames,
    FrameList,
    FramePicture,
    InstancePicture,
    SeriesPicture,
    Transaction,
    WholeInstance,
)
from framecache.settings import MEGABYTE, Settings, is_strict, lenient_admin_settings, read_settings
from framecache.threads import Desk, start_thread

OnChange = Callable[[int, int, str], None]
_KEPT_BUFFERS = 256 * MEGABYTE
_DESK_THREADS = 2
_BACKGROUND = 10  # niceness
_PATIENCE_AT_THE_END = 2.0  # seconds
_DAY = 86400.0


def install(module: OrthancModule, on_change: OnChange | None = None) -> None:
    """Install the frame cache into the Orthanc whose module `orthanc` this is, while its script is loaded.

    An Orthanc has one OnChange callback: a site's own is given as `on_change` and called after ours.
    Raises SettingsError, and so stops Orthanc's start, only with `"Strict": true`.
    """
    log = ModuleLog(module)
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
    if settings is None or wrong or not settings.enable:
        _stand_aside(module, log, findings, configuration, on_change)
    else:
        _Plugin(module, log, findings, settings, configuration).register(on_change)


def _read_settings(module: OrthancModule, configuration: Mapping[str, Any]) -> Settings:
    default = _storage_directory(module, configuration).parent / "FrameCache"
    return read_settings(configuration.get("FrameCache", {}), default)


def _check_core(module: OrthancModule) -> checks.Check:
    new_enough = module.CheckVersionAdvanced(*checks.OLDEST_CORE)
    return checks.check_core(".".join(map(str, checks.OLDEST_CORE)) if new_enough else "0")


def _storage_directory(module: OrthancModule, configuration: Mapping[str, Any]) -> Path:
    """Orthanc reads a relative StorageDirectory from the folder of its configuration."""
    configured = Path(str(configuration.get("StorageDirectory") or "OrthancStorage"))
    source = Path(module.GetConfigurationPath() or ".")
    return ((source if source.is_dir() else source.parent) / configured).absolute()


def _stand_aside(
    module: OrthancModule,
    log: Log,
    findings: Findings,
    configuration: Mapping[str, Any],
    on_change: OnChange | None,
) -> None:
    """Orthanc starts and the stock plugin serves; only the status is ours, and says why."""
    for check in findings.failed:
        log.error(f"FRAME CACHE IS OFF: {check.advice}")
    wanted, users = lenient_admin_settings(configuration.get("FrameCache"))
    if wanted:
        route = JsonRoute(findings.to_json, Access(users, configuration), log)
        module.RegisterRestCallback("/frame-cache/status", for_good(route))
    if on_change is not None:
        module.RegisterOnChangeCallback(for_good(on_change))


class _Plugin:
    """The parts of one installation, and the events that move them."""

    def __init__(
        self,
        module: OrthancModule,
        log: Log,
        findings: Findings,
        settings: Settings,
        configuration: Mapping[str, Any],
    ) -> None:
        self._module, self._log, self._findings, self._configuration = module, log, findings, configuration
        dicom_web = configuration.get("DicomWeb")
        self._url = PublicUrl.from_configuration(dicom_web if isinstance(dicom_web, Mapping) else {})
        api, clock, self._metrics = ModuleApi(module), time, Metrics()
        store = self._open_store(settings)
        desk = Desk("frame-cache-desk", _DESK_THREADS)
        storage = _storage_directory(module, configuration)
        catalogue = Catalogue(
            api, store, desk, clock, storage, settings.revalidate_seconds, uses_indexes=settings.mode != "copy"
        )
        sources = Sources(api)
        pool = BufferPool(settings.maximum_memory_mb * MEGABYTE, _KEPT_BUFFERS)
        self._codecs = _codecs(settings, log, niceness=0)
        self._background_codecs = _codecs(settings, log, niceness=_BACKGROUND)
        extractor = Extractor(sources, store, pool, self._background_codecs, settings.transcode, settings.mode)
        is_worth_it, backlog = _is_worth_it(settings), Backlog()
        self._filler = Filler(catalogue, extractor, store, self._metrics, clock, log, is_worth_it, backlog.done)
        self._intake = Intake(api, self._filler, backlog, store, self._metrics, log, is_worth_it)
        self._janitor = Janitor(catalogue, store, self._filler, log)
        self._audit = Audit(api, store, self._janitor.deleted, log)
        # A site that asked for an index alone wants nothing else written.
        self._keeper = Keeper(catalogue, store, log, is_worth_it if settings.mode != "index" else _never)
        frames = Frames(sources, self._codecs, self._keeper)
        limits = Limits(
            settings.maximum_frames_per_request, settings.maximum_answer_mb * MEGABYTE, settings.cache_control
        )
        responder = Responder(catalogue, pool, self._metrics, clock, limits)
        retrieval = Retrieval(responder, frames, self._filler, self._url, settings.transcode.small_form)
        transactions: list[Transaction] = [FrameList(retrieval), AllFrames(retrieval)]
        if self._codecs is not None:
            rendering = Rendering(responder, frames, self._filler)
            transactions += [FramePicture(rendering), InstancePicture(rendering), SeriesPicture(rendering, catalogue)]
        self._transactions = transactions
        self._transcoders = Desk("frame-cache-transcoder", max(2, os.cpu_count() or 2))
        self._whole_instance = WholeInstance(InstanceRetrieval(responder, api, self._transcoders, self._url, log))
        self._administration = Administration(
            findings, settings, api, catalogue, store, self._filler, self._intake, pool, self._metrics, log
        )
        self._caretaker = Caretaker(store, log)
        self._workers: list[threading.Thread] = []
        self._settings, self._desk, self._store, self._catalogue = settings, desk, store, catalogue
        self._access = Access(settings.admin_users, configuration)
        findings.checks.append(checks.check_admin_users(settings.admin_users, verified=self._access.verifies))

    def _open_store(self, settings: Settings) -> FrameStore:
        limit, free = settings.maximum_size_mb * MEGABYTE, settings.minimum_free_disk_mb * MEGABYTE
        age = settings.maximum_age_days * _DAY
        store = GuardedStore(lambda: DiskStore(settings.directory, limit, free, age), limit, time, self._log)
        self._findings.checks.append(checks.check_store(store.degraded.reason if store.degraded else None))
        return store

    def register(self, on_change: OnChange | None) -> None:
        """Register routes and events; routes can be registered only while the script is loaded."""
        routes: dict[str, Callable[..., None]] = dict(self._admin_routes())
        for transaction in self._transactions:
            routes[self._url.root + transaction.pattern] = self._retrieve(transaction, lambda: self._findings.serving)
        # There is no way to the stock plugin, so this one is answered whatever the checks find.
        routes[self._url.root + self._whole_instance.pattern] = self._retrieve(self._whole_instance, lambda: True)
        for pattern, route in routes.items():
            self._module.RegisterRestCallback(pattern, for_good(route))
        self._module.RegisterOnChangeCallback(for_good(self._on_change(on_change)))
        self._findings.serving = True

    def _retrieve(self, transaction: Transaction, is_serving: Callable[[], bool]) -> RetrieveRoute:
        is_kept = self._settings.x_accel_expires
        return RetrieveRoute(transaction, self._metrics, self._log, is_serving, is_kept_by_proxy=is_kept)

    def _admin_routes(self) -> Iterator[tuple[str, JsonRoute]]:
        administration, access, log = self._administration, self._access, self._log
        if self._settings.admin_routes:
            for path, tell in administration.told.items():
                yield f"/frame-cache/{path}", JsonRoute(tell, access, log)
            for path, act in administration.done.items():
                yield f"/frame-cache/{path}", ActionRoute(act, access, log)

    def _on_change(self, chained: OnChange | None) -> OnChange:
        """Orthanc's events wait for each other, so ours only leave notes."""
        kinds, instance = self._module.ChangeType, self._module.ResourceType.INSTANCE

        def on_change(change: int, level: int, resource_id: str) -> None:
            if change == kinds.NEW_INSTANCE:
                self._intake.arrived()
            elif change == kinds.DELETED and level == instance:
                self._janitor.deleted(resource_id)
            elif change == kinds.ORTHANC_STARTED:
                start_thread("frame-cache-start", self._start)
            elif change == kinds.ORTHANC_STOPPED:
                self._stop()
            if chained is not None:
                chained(change, level, resource_id)

        return on_change

    def _start(self) -> None:
        """Orthanc answers from now on: check it, then work."""
        try:
            self._check()
        except Exception as error:  # noqa: BLE001 - a check that breaks must not keep frames from being served
            self._log.error(f"frame cache: the start-up checks failed: {type(error).__name__}: {error}")
        for check in self._findings.failed:
            self._log.error(f"FRAME CACHE: {check.advice}")
        self._findings.serving = not any(check.fatal for check in self._findings.failed)
        self._intake.start()
        self._workers += [self._janitor.start(), self._caretaker.start(self._start_writing)]

    def _start_writing(self) -> None:
        """Behind the check of the folder: a block's file is there before its row is."""
        self._workers += self._filler.start(self._settings.workers)
        self._keeper.start()
        self._audit.start()

    def _check(self) -> None:
        api = ModuleApi(self._module)
        system = json.loads(api.get("/system"))
        # Plugins that extend Orthanc Explorer put a script beside the names.
        names = [name for name in json.loads(api.get("/plugins")) if not name.endswith(".js")]
        plugins = {name: str(json.loads(api.get(f"/plugins/{name}")).get("Version", "")) for name in names}
        self._findings.versions.update({"Orthanc": system["Version"], **plugins})
        self._catalogue.trusts_files = system.get("StorageAreaPlugin") is None
        self._findings.checks += [
            checks.check_python_plugin(plugins.get("python", "")),
            checks.check_dicom_web(plugins),
            checks.check_ohif(plugins, self._configuration),
            checks.check_codecs(self._codec_error()),
            checks.check_route(owned=self._owns_route(), frame_route=f"{self._url.root}…/frames/"),
        ]

    def _codec_error(self) -> str | None:
        try:
            if self._codecs is not None:
                self._codecs.check()
        except FrameCacheError as error:
            return str(error)
        return None

    def _owns_route(self) -> bool:
        """Ask for a frame that cannot exist, and see who answers."""
        try:
            uri = f"{self._url.root}{SENTINEL}/frames/1"
            return bytes(self._module.RestApiGetAfterPlugins(uri)) == SENTINEL_ANSWER
        except Exception:  # noqa: BLE001 - the stock plugin's 404 arrives as an exception
            return False

    def _stop(self) -> None:
        """Ends within the time of one block; Orthanc waits for this event."""
        self._findings.serving = False
        self._intake.stop()
        self._filler.stop()
        self._janitor.stop()
        self._keeper.stop()
        self._audit.stop()
        self._caretaker.stop()
        for codecs in (self._codecs, self._background_codecs):
            if codecs is not None:
                codecs.close()
        self._desk.close()
        self._transcoders.close()
        self._give_the_folder_back()

    def _give_the_folder_back(self) -> None:
        """After `/tools/reset` the same process opens it again, while its old threads may still be at a block."""
        deadline = time.monotonic() + _PATIENCE_AT_THE_END
        for worker in self._workers:
            worker.join(max(0.0, deadline - time.monotonic()))
        self._store.close()


def _codecs(settings: Settings, log: Log, niceness: int) -> CodecPool | None:
    """Processes start when they are first needed, so a pool that nobody asks costs nothing."""
    if settings.codec_processes == 0:
        return None
    memory = settings.codec_memory_mb * MEGABYTE
    return CodecPool(settings.python, settings.codec_processes, memory, settings.codec_seconds, log, niceness)


def _is_worth_it(settings: Settings) -> Callable[[int, int], bool]:
    """Whether an instance is cached, by its number of frames and the bytes of one."""
    minimum_size = settings.minimum_frame_mb * MEGABYTE
    return lambda frames, frame_size: frames >= settings.minimum_frames or frame_size >= minimum_size


def _never(_frames: int, _frame_size: int) -> bool:
    return False
