"""The start-up checks, and their results."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from framecache import __version__

# Orthanc 1.12.5 introduced ResponseContent of /tools/find, which we need.
OLDEST_CORE = (1, 12, 5)
# Older Python plugins cannot release the GIL, and leak memory on each request.
OLDEST_PYTHON_PLUGIN = (5, 0)
# Since this version (November 2024) the default data source of Orthanc's OHIF plugin requests frames.
_OHIF_ASKS_FOR_FRAMES = (1, 4)


@dataclass(frozen=True, slots=True)
class Check:
    """One start-up check. While a `fatal` check fails, our frame routes are not registered."""

    name: str
    passed: bool
    advice: str
    fatal: bool = False


def check_threads(configuration: Mapping[str, Any]) -> Check:
    """`Python.AllowThreads`: without it one slow client freezes every Python route."""
    section = configuration.get("Python")
    return Check(
        "AllowThreads",
        isinstance(section, Mapping) and section.get("AllowThreads") is True,
        'Orthanc holds Python\'s lock during every call: set "Python": {"AllowThreads": true} in its configuration',
        fatal=True,
    )


def check_core(version: str) -> Check:
    """The version of Orthanc's core; "mainline" builds are newer than any release."""
    return Check(
        "OrthancVersion",
        _is_at_least(version, OLDEST_CORE),
        f"Orthanc {version} is too old: 1.12.5 or later is needed",
        fatal=True,
    )


def check_python_plugin(version: str) -> Check:
    """The version of Orthanc's Python plugin."""
    return Check(
        "PythonPluginVersion",
        _is_at_least(version, OLDEST_PYTHON_PLUGIN),
        f"Orthanc's Python plugin {version} is too old: 5.0 or later is needed",
        fatal=True,
    )


def check_route(*, owned: bool, frame_route: str) -> Check:
    """Whether frame requests reach us before the stock DICOMweb plugin."""
    return Check(
        "RouteOrder",
        owned,
        f"the DICOMweb plugin answers {frame_route} before us: list libOrthancPython.so before libOrthancDicomWeb.so "
        'in "Plugins" (as files: the order within a folder is undefined)',
    )


def check_dicom_web(plugins: Mapping[str, str]) -> Check:
    """Whether the stock DICOMweb plugin is loaded: it answers the requests that we hand over."""
    return Check(
        "DicomWebPlugin",
        "dicom-web" in plugins,
        "the DICOMweb plugin is not loaded: frames are served, but studies cannot be searched; "
        'add libOrthancDicomWeb.so to "Plugins" after libOrthancPython.so',
    )


def check_ohif(plugins: Mapping[str, str], configuration: Mapping[str, Any]) -> Check:
    """Whether Orthanc's own OHIF plugin uses DICOMweb: before 1.4 it loads whole files by default."""
    section = configuration.get("OHIF")
    default = "dicom-web" if _is_at_least(plugins.get("ohif", ""), _OHIF_ASKS_FOR_FRAMES) else "dicom-json"
    source = section.get("DataSource", default) if isinstance(section, Mapping) else default
    return Check(
        "OhifDataSource",
        "ohif" not in plugins or source == "dicom-web",
        'Orthanc\'s OHIF plugin loads whole files and never requests frames: set "OHIF": {"DataSource": "dicom-web"}',
    )


def check_metadata_cache(plugins: Mapping[str, str], configuration: Mapping[str, Any], *, answered: bool) -> Check:
    """Whether the stock DICOMweb plugin makes metadata that nobody asks it for, where its routes are `answered` here.

    It does so when a series becomes stable, and reads 1.25 GB into memory for a file of 641 MB.
    """
    section = configuration.get("DicomWeb")
    is_off = isinstance(section, Mapping) and section.get("EnableMetadataCache") is False
    return Check(
        "MetadataCache",
        is_off or not answered or "dicom-web" not in plugins,
        "the DICOMweb plugin reads each new series once more to make metadata that nobody asks it for: set "
        '"DicomWeb": {"EnableMetadataCache": false} (see docs/metadata.md)',
    )


def check_codecs(error: str | None) -> Check:
    """Whether the helper processes that transcode and render frames can be started."""
    return Check("Codecs", error is None, f"frames are neither transcoded nor rendered: {error}" if error else "")


def check_tracing(error: str | None) -> Check:
    """Whether OpenTelemetry traces can be sent, where its environment enables them."""
    advice = f"OpenTelemetry's environment enables traces, but none are sent: {error} (see docs/monitoring.md)"
    return Check("Tracing", error is None, advice if error else "")


def check_cluster(error: str | None) -> Check:
    """Whether work can be shared with other nodes, where `Cluster` asks for it."""
    advice = f'"Cluster" is set, but this node works alone: {error} (see docs/cluster.md)'
    return Check("Cluster", error is None, advice if error else "")


def check_store(error: str | None) -> Check:
    """Whether the cache's folder can be used."""
    return Check("Directory", error is None, error or "", fatal=False)


def check_archive(error: str | None) -> Check:
    """Whether the archive that Archive names can be used at all; whether it answers is another thing."""
    return Check("Archive", error is None, f"the archive is neither read nor written: {error}" if error else "")


def check_storage_url(error: str | None) -> Check:
    """Whether the bucket that StorageURL names can be read from."""
    return Check("StorageURL", error is None, f"Orthanc's files are not read from the bucket: {error}" if error else "")


def check_mode(*, keeps_places: bool, where: str) -> Check:
    """Whether places of frames can be kept; `where` says where Orthanc's files are, if not plainly in its folder."""
    return Check(
        "Mode",
        not (keeps_places and where),
        f'with "index" as "Mode" or as "Form" of a rule, the cache keeps the places of frames in plain files, and '
        f'Orthanc\'s files are {where}: such instances are not cached; "auto" and "copy" cache them',
    )


def check_admin_users(users: Sequence[str], *, verified: bool) -> Check:
    """Whether the user names in "AdminUsers" are verified by anybody."""
    return Check(
        "AdminUsers",
        verified or not users,
        'Orthanc does not verify user names: "AdminUsers" protects nothing unless a proxy in front of Orthanc does; '
        'set "AuthenticationEnabled": true and "RegisteredUsers"',
    )


def check_enabled() -> Check:
    """The check to report where the setting "Enable" is false: no fault, but nothing is cached."""
    return Check(
        "Enable", False, 'the setting "Enable" is false: Orthanc serves as if the plugin were not installed', fatal=True
    )


def check_dicom_web_enabled() -> Check:
    """The check to report where DICOMweb is turned off: no fault, but nothing is served."""
    advice = 'DICOMweb is turned off ("DicomWeb": {"Enable": false}): neither frames nor rendered pictures are served'
    return Check("DicomWebEnabled", False, advice, fatal=True)


def check_settings(error: str | None) -> Check:
    """Whether the "FrameCache" section of the configuration is valid."""
    return Check("Settings", error is None, error or "", fatal=True)


def _is_at_least(version: str, oldest: tuple[int, ...]) -> bool:
    numbers = [int(part) for part in version.split(".") if part.isdigit()]
    return not numbers or tuple(numbers) >= oldest


@dataclass(slots=True)
class Findings:
    """Versions and checks. They grow until Orthanc has started."""

    versions: dict[str, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    serving: bool = False
    stopping: bool = False

    @property
    def failed(self) -> list[Check]:
        """The checks that did not pass."""
        return [check for check in self.checks if not check.passed]

    def note(self, check: Check) -> None:
        """Replace the check of the same name, or append."""
        names = [known.name for known in self.checks]
        place = names.index(check.name) if check.name in names else len(names)
        self.checks[place : place + 1] = [check]

    def passed(self, name: str) -> bool:
        """Whether the check of this name ran and passed."""
        return any(check.name == name and check.passed for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """The part of the status that reports them."""
        return {
            "Version": __version__,
            "Versions": {"Python": platform.python_version(), **self.versions},
            "Serving": self.serving and not self.stopping,
            "OwnsFrameRoutes": self.passed("RouteOrder"),
            "AllowThreads": self.passed("AllowThreads"),
            "Checks": [
                {"Name": check.name, "Passed": check.passed, **({} if check.passed else {"Advice": check.advice})}
                for check in self.checks
            ],
        }
