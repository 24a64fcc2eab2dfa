"""Orthanc's version and plugins, where its files and index are, and the size of the archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from framecache.orthanc.api import get_json
from framecache.ports import OrthancApi


@dataclass(frozen=True, slots=True)
class System:
    """The version of the core, and whether plugins store the files and the index.

    Only this Orthanc uses an index in the core's own SQLite; several may share a plugin's.
    """

    version: str
    has_storage_plugin: bool
    has_database_plugin: bool


@dataclass(frozen=True, slots=True)
class ArchiveSize:
    """The number of instances in the archive, and the bytes of their files on disk."""

    instances: int
    size: int


def read_system(api: OrthancApi) -> System:
    """Read the system of a running Orthanc. Raises SourceError."""
    system = get_json(api, "/system")
    has_storage_plugin, has_database_plugin = (
        system.get(name) is not None for name in ("StorageAreaPlugin", "DatabaseBackendPlugin")
    )
    return System(str(system["Version"]), has_storage_plugin, has_database_plugin)


def read_archive_size(api: OrthancApi) -> ArchiveSize:
    """A cheap query: Orthanc's index keeps these totals. Raises SourceError."""
    statistics = get_json(api, "/statistics")
    return ArchiveSize(int(statistics["CountInstances"]), int(statistics["TotalDiskSize"]))


def read_plugin_versions(api: OrthancApi) -> Mapping[str, str]:
    """The versions of its plugins, by name. Raises SourceError."""
    # The list also has scripts of plugins that extend Orthanc Explorer.
    names = [name for name in get_json(api, "/plugins") if not name.endswith(".js")]
    return {name: str(get_json(api, f"/plugins/{name}").get("Version", "")) for name in names}
