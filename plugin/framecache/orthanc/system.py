"""What Orthanc tells of itself: its version, its plugins, who keeps its files and its index, and how much there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from framecache.orthanc.api import get_json
from framecache.ports import OrthancApi


@dataclass(frozen=True, slots=True)
class System:
    """The version of the core, and whether plugins keep the files and the index.

    An index in the core's own SQLite is used by this Orthanc alone; one that a plugin keeps may be shared.
    """

    version: str
    has_storage_plugin: bool
    has_database_plugin: bool


@dataclass(frozen=True, slots=True)
class ArchiveSize:
    """How many instances the archive has, and the bytes of their files on disk."""

    instances: int
    size: int


def read_system(api: OrthancApi) -> System:
    """Ask a running Orthanc. Raises SourceError."""
    system = get_json(api, "/system")
    has_storage_plugin, has_database_plugin = (
        system.get(name) is not None for name in ("StorageAreaPlugin", "DatabaseBackendPlugin")
    )
    return System(str(system["Version"]), has_storage_plugin, has_database_plugin)


def read_archive_size(api: OrthancApi) -> ArchiveSize:
    """Its index counts all the time, so that this is a cheap question. Raises SourceError."""
    statistics = get_json(api, "/statistics")
    return ArchiveSize(int(statistics["CountInstances"]), int(statistics["TotalDiskSize"]))


def read_plugin_versions(api: OrthancApi) -> Mapping[str, str]:
    """The versions of its plugins, by name. Raises SourceError."""
    # Plugins that extend Orthanc Explorer put a script beside the names.
    names = [name for name in get_json(api, "/plugins") if not name.endswith(".js")]
    return {name: str(get_json(api, f"/plugins/{name}").get("Version", "")) for name in names}
