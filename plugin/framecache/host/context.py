"""What every area of one installation has from the start."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from framecache.admin.checks import Findings
from framecache.config.settings import Settings
from framecache.dicomweb.public_url import PublicUrl
from framecache.dispatcher import Dispatcher
from framecache.orthanc.api import ModuleApi
from framecache.policy.policy import Policy
from framecache.ports import Clock, OrthancApi, OrthancModule
from framecache.telemetry.events import Events
from framecache.telemetry.metrics import Metrics
from framecache.telemetry.tracing.tracer import Tracer


@dataclass(frozen=True)
class Context:
    """One Orthanc, its configuration and our settings in it; `storage` is the folder of its files.

    There is no `tracer` unless the environment asks for it.
    """

    module: OrthancModule
    configuration: Mapping[str, Any]
    settings: Settings
    storage: Path
    findings: Findings
    dispatcher: Dispatcher
    tracer: Tracer | None = None
    metrics: Metrics = field(default_factory=Metrics)
    clock: Clock = time
    events: Events = field(default_factory=lambda: Events(time))

    @cached_property
    def policy(self) -> Policy:
        """What decides which instances are cached, and how."""
        return self.settings.policy()

    @property
    def api(self) -> OrthancApi:
        """Orthanc's REST API, which answers from ORTHANC_STARTED on."""
        return ModuleApi(self.module)

    @property
    def url(self) -> PublicUrl:
        """Where DICOMweb's routes are."""
        section = self.configuration.get("DicomWeb")
        return PublicUrl.from_configuration(section if isinstance(section, Mapping) else {})
