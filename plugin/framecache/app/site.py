"""One Orthanc and its configuration: what every part is made from."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import xxhash

from framecache.admin.checks import Findings
from framecache.config.settings import Settings
from framecache.dicomweb.url import PublicUrl
from framecache.dispatcher import Dispatcher
from framecache.orthanc.api import ModuleApi
from framecache.policy.policy import Policy
from framecache.ports import Clock, OrthancModule
from framecache.telemetry.events import Events
from framecache.telemetry.metrics import Metrics
from framecache.telemetry.tracing.tracer import Tracer


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
    def api(self) -> ModuleApi:
        """Orthanc's REST API, which answers from ORTHANC_STARTED on."""
        return ModuleApi(self.module)

    @cached_property
    def metadata_made_by(self) -> str:
        """A name, in hexadecimal, of Orthanc's settings that metadata depends on: others give other metadata."""
        settings = [self.configuration.get(name) for name in ("DefaultEncoding", "Dictionary", "LoadPrivateDictionary")]
        return xxhash.xxh3_64_hexdigest(json.dumps(settings, sort_keys=True).encode())

    @cached_property
    def cluster(self) -> str:
        """The connection string of the database that nodes share; "" if nothing is shared. The environment's wins."""
        return os.environ.get("FRAMECACHE_CLUSTER") or self.settings.cluster

    @cached_property
    def node(self) -> str:
        """The name of this Orthanc among those that share work; "" if nothing is shared."""
        return node_name(self.configuration) if self.cluster else ""

    @property
    def url(self) -> PublicUrl:
        """Where DICOMweb's routes are."""
        section = self.configuration.get("DicomWeb")
        return PublicUrl.from_configuration(section if isinstance(section, Mapping) else {})


def node_name(configuration: Mapping[str, Any]) -> str:
    """Orthanc's name and the machine's: one process, as traces and other nodes know it."""
    name = f"{configuration.get('Name') or 'Orthanc'}@{socket.gethostname()}"
    return "".join(letter for letter in name if letter.isprintable())  # what databases and collectors can store
