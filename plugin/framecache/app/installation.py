"""`install` is all that a PythonScript has to call."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from framecache.admin import checks
from framecache.admin.checks import Findings
from framecache.admin.page import PATTERN, PageFiles, PageRoute, explorer_script
from framecache.admin.routes import Access, JsonRoute
from framecache.app.app import App, OnChange
from framecache.app.site import Site, node_name
from framecache.app.tracing import trace
from framecache.config.reading import is_strict, lenient_admin_settings, read_settings
from framecache.config.settings import Settings
from framecache.errors import SettingsError
from framecache.orthanc.api import for_good
from framecache.orthanc.log_handler import log_to_orthanc
from framecache.orthanc.request_text import take_any_bytes
from framecache.ports import OrthancModule
from framecache.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)


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
        tracer = trace(os.environ, settings.python, findings, node_name(configuration))
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
