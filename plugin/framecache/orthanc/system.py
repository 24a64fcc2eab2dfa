"""What Orthanc tells of itself: its version, its plugins, and who keeps its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from framecache.orthanc.api import get_json
from framecache.ports import OrthancApi


@dataclass(frozen=True, slots=True)
class System:
    """The version of the core, and whether a plugin keeps the files."""

    version: str
    has_storage_plugin: bool


def read_system(api: OrthancApi) -> System:
    """Ask a running Orthanc. Raises SourceError."""
    system = get_json(api, "/system")
    return System(str(system["Version"]), system.get("StorageAreaPlugin") is not None)


def read_plugin_versions(api: OrthancApi) -> Mapping[str, str]:
    """The versions of its plugins, by name. Raises SourceError."""
    # Plugins that extend Orthanc Explorer put a script beside the names.
    names = [name for name in get_json(api, "/plugins") if not name.endswith(".js")]
    return {name: str(get_json(api, f"/plugins/{name}").get("Version", "")) for name in names}
