"""What an Orthanc's configuration needs so that the plugin serves, as changes with their reasons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framecache.errors import SettingsError
from framecache.installation.configuration import Configuration
from framecache.installation.orthanc_python import PLUGIN, find_plugin, plugin_files

DICOM_WEB = "libOrthancDicomWeb.so"
_GDCM = "libOrthancGdcm.so"
_KEEP_ALIVE = 60  # seconds
_MAXIMUM_SIZE_MB = 20480
# What Debian's package of the Python plugin configures, as an example.
_SAMPLES = ("/etc/orthanc/sample.py",)


@dataclass(frozen=True)
class Change:
    """The value that the configuration gets at `keys`, and why."""

    keys: Sequence[str]
    value: Any
    reason: str


def needed(configuration: Configuration, script: Path) -> list[Change]:
    """The changes that are still to be made. Raises SettingsError where a person has to decide."""
    wanted = [*_plugins(configuration), *_script(configuration, script), *_settings(configuration)]
    changes = [change for change in wanted if configuration.get(*change.keys) != change.value]
    configuration.refuse_neighbours({change.keys[0] for change in changes})
    return changes


def made(configuration: Configuration, changes: Sequence[Change]) -> Configuration:
    """The configuration with the changes."""
    for change in changes:
        configuration = configuration.with_value(change.keys, change.value)
    return configuration


def _plugins(configuration: Configuration) -> Iterator[Change]:
    files = plugin_files(configuration.get("Plugins"), configuration.folder)
    first = [_found(configuration, files, name) for name in (PLUGIN, DICOM_WEB)]
    names = {PLUGIN, DICOM_WEB}
    others = [path for path in files if path.name not in names]
    order = [str(path) for path in (*first, *others)]
    yield Change(["Plugins"], order, "the first plugin that matches a route answers it: Python's before DICOMweb's")


def _found(configuration: Configuration, files: Sequence[Path], name: str) -> Path:
    found = find_plugin(files, name)
    if found is None:
        package = "orthanc-python" if name == PLUGIN else "orthanc-dicomweb"
        message = f'{name} is neither in "Plugins" of {configuration.path} nor where packages put it'
        raise SettingsError(f"{message}: install it (Debian: apt-get install {package}), or name it in Plugins")
    return found


def _script(configuration: Configuration, script: Path) -> Iterator[Change]:
    current = configuration.get("PythonScript")
    if current and current not in _SAMPLES and not _calls_us(configuration.folder / str(current)):
        message = f'"PythonScript" is {current}, a script of your own, and Orthanc runs only one'
        raise SettingsError(f"{message}: add to it `from framecache import install` and `install(orthanc)`")
    if not current or current in _SAMPLES:
        yield Change(["PythonScript"], str(script), "what Orthanc runs at its start")


def _calls_us(script: Path) -> bool:
    """Whether a script of a site's own installs the cache."""
    try:
        return "framecache" in script.read_text(errors="replace")
    except OSError:
        return False


def _settings(configuration: Configuration) -> Iterator[Change]:
    yield Change(["Python", "AllowThreads"], True, "without it one slow client stops all Python code")
    if configuration.get("FrameCache") is None:
        size = {"MaximumSizeMB": _MAXIMUM_SIZE_MB}
        yield Change(["FrameCache"], size, "the plugin's settings; `framecache size` advises how large")
    if configuration.get("KeepAliveTimeout") in (None, 1):
        yield Change(["KeepAliveTimeout"], _KEEP_ALIVE, "after a second viewers would have to connect anew")
    uses_gdcm = find_plugin(plugin_files(configuration.get("Plugins"), configuration.folder), _GDCM) is not None
    if uses_gdcm and configuration.get("BuiltinDecoderTranscoderOrder") in (None, "After"):
        yield Change(["BuiltinDecoderTranscoderOrder"], "Before", "GDCM's transcoder can end Orthanc 1.12.7")
    if configuration.section("FrameCache").get("Metadata") != "off":
        yield Change(
            ["DicomWeb", "EnableMetadataCache"], False, "the plugin answers metadata: DICOMweb need not make any"
        )
    if configuration.get("OHIF") is not None:
        yield Change(["OHIF", "DataSource"], "dicom-web", "otherwise OHIF loads whole files, never frames")
