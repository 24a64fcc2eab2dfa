"""Puts the parts together inside one Orthanc: `install` is all that a PythonScript has to call."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from framecache.admin import checks
from framecache.admin.checks import Findings
from framecache.admin.page import PATTERN, Page, PageRoute, explorer_script
from framecache.admin.routes import Access, JsonRoute
from framecache.admin.start_checks import StartChecks
from framecache.codecs.codec_pools import CodecPools
from framecache.config.reading import is_strict, lenient_admin_settings, read_settings
from framecache.config.settings import MEGABYTE, Settings
from framecache.dispatcher import Dispatcher
from framecache.errors import SettingsError
from framecache.host.administration import Administration
from framecache.host.context import Context
from framecache.host.filling import Filling
from framecache.host.keeping import Keeping
from framecache.host.serving import Serving
from framecache.orthanc.api import for_good
from framecache.orthanc.events import InstanceDeleted, InstanceStored
from framecache.orthanc.log_handler import log_to_orthanc
from framecache.orthanc.request_text import take_any_bytes
from framecache.ports import OrthancModule
from framecache.prefetch.tracing import trace_instances
from framecache.serving.route import SENTINEL
from framecache.telemetry.metrics import Metrics
from framecache.telemetry.tracing.exporter import protocol_error, wants_traces
from framecache.telemetry.tracing.tracer import Tracer
from framecache.threads import start_thread

logger = logging.getLogger(__name__)

OnChange = Callable[[int, int, str], None]


def install(module: OrthancModule, on_change: OnChange | None = None, explorer: str = "") -> None:
    """Install the frame cache into the Orthanc whose module `orthanc` this is, while its script is loaded.

    An Orthanc has one OnChange callback: a site's own is given as `on_change` and called after ours. So it is with the
    JavaScript that extends Orthanc Explorer: a site's own is given as `explorer`.
    Raises SettingsError, and so stops Orthanc's start, only with `"Strict": true`.
    """
    log_to_orthanc(logging.getLogger("framecache"), module)
    take_any_bytes()
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
        storage = _storage_directory(module, configuration)
        tracer = trace(os.environ, settings.python, findings)
        metrics = Metrics(tracer.journal.missed) if tracer else Metrics()
        context = Context(module, configuration, settings, storage, findings, Dispatcher(), tracer, metrics)
        if tracer is not None:
            trace_instances(context.dispatcher, tracer.journal, context.clock)
        _Plugin(context).register(on_change)
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
        module.RegisterRestCallback(PATTERN, for_good(PageRoute(Page(), access)))
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


class _Plugin:
    """The areas of one installation, and the events that move them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        settings = context.settings
        memory = settings.codec_memory_mb * MEGABYTE
        self._codecs = CodecPools(settings.python, settings.codec_processes, memory, settings.codec_seconds)
        self._keeping = Keeping(context)
        self._filling = Filling(context, self._keeping, self._codecs)
        self._serving = Serving(context, self._keeping, self._filling, self._codecs)
        self._administration = Administration(context, self._keeping, self._filling)

    def register(self, on_change: OnChange | None) -> None:
        """Register routes and events; routes can be registered only while the script is loaded."""
        module = self._context.module
        tracer, traced = self._context.tracer, dict[str, Callable[..., None]]()
        for pattern, retrieve in self._serving.routes():
            traced[pattern] = tracer.watched(retrieve) if tracer else retrieve
        own: Iterable[tuple[str, Callable[..., None]]] = (*self._administration.routes(), *self._serving.detours())
        for pattern, route in (*own, *traced.items()):
            module.RegisterRestCallback(pattern, for_good(route))
        module.RegisterOnChangeCallback(for_good(self._on_change(on_change)))
        self._context.findings.serving = True

    def _on_change(self, chained: OnChange | None) -> OnChange:
        """Orthanc's events wait for each other, so ours only leave notes."""
        publish = self._context.dispatcher.publish
        kinds, instance = self._context.module.ChangeType, self._context.module.ResourceType.INSTANCE

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
        context, catalogue = self._context, self._keeping.catalogue
        StartChecks(
            context.module,
            context.api,
            context.configuration,
            context.url.root,
            context.findings,
            catalogue,
            self._codecs,
        ).run()
        if not self._context.findings.stopping:
            self._filling.start()
            self._administration.start()
            if self._context.tracer is not None:
                self._context.tracer.start()

    def _stop(self) -> None:
        """Ends within the time of one block; Orthanc waits for this event."""
        self._context.findings.stopping = True
        if self._context.tracer is not None:
            self._context.tracer.stop()
        self._administration.stop()
        self._filling.stop()
        self._codecs.stop()
        self._keeping.stop()
        # After `/tools/reset` the same process opens the folder again, while its old threads may still be at a block.
        self._filling.join()
        self._keeping.store.close()
        if self._context.tracer is not None:
            self._context.tracer.join()
