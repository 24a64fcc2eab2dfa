"""Who is measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.archive import STOCK_PLUGINS
from dev.console import CHECKOUT
from dev.orthanc_server import PLUGINS

SCRIPT = Path(__file__).with_name("script.py")
RAM_MEGABYTES = 4000
NEVER = 1_000_000


@dataclass(frozen=True)
class Subject:
    """A server in one configuration. Those without plugins are no Orthanc of their own."""

    name: str
    plugins: tuple[str, ...] = ()
    configuration: Mapping[str, object] = field(default_factory=dict, hash=False)

    @property
    def has_cache(self) -> bool:
        return "OrthancPython" in self.plugins


def _shipped() -> dict[str, object]:
    """The checkout's orthanc.json, and a script that adds a trivial route to the plugin."""
    settings: dict[str, object] = json.loads((CHECKOUT / "orthanc.json").read_text())
    return {**settings, "PythonScript": str(SCRIPT)}


def _tuned() -> dict[str, object]:
    names = ("MaximumStorageCacheSize", "StorageMemoryCapacity", "DicomParserMemoryCapacity", "DicomParserCacheSize")
    # As framecache's connections are set, so that only the memory makes the difference.
    connections = {name: value for name, value in _shipped().items() if name in ("KeepAliveTimeout", "TcpNoDelay")}
    return {**connections, **dict.fromkeys(names, RAM_MEGABYTES)}


def _without_filling() -> dict[str, object]:
    """No instance is worth it: frames are read one by one from the stored files, and no other reading disturbs."""
    return {**_shipped(), "FrameCache": {"MinimumFrames": NEVER, "MinimumFrameMB": NEVER}}


STOCK = Subject("stock, default", STOCK_PLUGINS)
TUNED = Subject("stock, tuned", STOCK_PLUGINS, _tuned())
FRAMECACHE = Subject("framecache", PLUGINS, _shipped())
# The very same configuration, but nobody loads the script.
WITHOUT = Subject("without the plugin", STOCK_PLUGINS, _shipped())
NOT_FILLING = Subject("framecache, no pre-extraction", PLUGINS, _without_filling())
NGINX = Subject("nginx sendfile")
TRIVIAL = Subject("trivial Python route")
COPY = Subject("cp, synced")
