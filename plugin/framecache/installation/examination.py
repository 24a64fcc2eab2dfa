"""Examines an installation by its files: each finding as a start-up check, with what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from framecache.admin.checks import (
    Check,
    check_admin_users,
    check_dicom_web_enabled,
    check_metadata_cache,
    check_ohif,
    check_settings,
    check_threads,
)
from framecache.config.reading import read_settings
from framecache.config.settings import Settings
from framecache.errors import SettingsError
from framecache.installation import orthanc_python
from framecache.installation.changes import DICOM_WEB
from framecache.installation.configuration import Configuration
from framecache.installation.machine import Machine, check_access, check_disk, check_memory
from framecache.installation.orthanc_python import PLUGIN, Interpreter, ask, plugin_files

_ADDED_PATH = re.compile(r"""sys\.path\.insert\(0, (['"])(.+?)\1\)""")


@dataclass(frozen=True)
class Examination:
    """Looks at one configuration on this machine; `python` names another program than the settings do."""

    path: Path
    machine: Machine
    python: str | None = None
    ask: Callable[[str, Sequence[Path], Sequence[str]], Interpreter | None] = ask

    def checks(self) -> list[Check]:
        """All findings, those that passed too."""
        try:
            configuration = Configuration.read(self.path)
        except SettingsError as error:
            return [Check("Configuration", False, str(error), fatal=True)]
        return [Check("Configuration", True, ""), *self._checks(configuration)]

    def _checks(self, configuration: Configuration) -> Iterator[Check]:
        yield from _plugin_checks(configuration)
        script = _script_check(configuration)
        yield script
        yield check_threads(configuration.value)
        yield check_ohif({"ohif": ""} if configuration.get("OHIF") else {}, configuration.value)
        if configuration.get("DicomWeb", "Enable") is False:
            yield check_dicom_web_enabled()
        storage = configuration.folder / str(configuration.get("StorageDirectory") or "OrthancStorage")
        try:
            settings = read_settings(
                configuration.get("FrameCache") or {}, storage.parent / "FrameCache", configuration.folder
            )
        except SettingsError as error:
            yield check_settings(str(error))
            return
        yield check_settings(None)
        verified = configuration.get("AuthenticationEnabled") is True
        yield check_admin_users(settings.admin_users, verified=verified)
        answered = settings.metadata != "off"
        yield check_metadata_cache({"dicom-web": ""}, configuration.value, answered=answered)
        yield from self._python_checks(configuration, settings, has_script=script.passed)
        yield check_access(settings.directory, storage)
        yield check_disk(self.machine, settings)
        yield check_memory(self.machine, settings)

    def _python_checks(self, configuration: Configuration, settings: Settings, *, has_script: bool) -> Iterator[Check]:
        """Of the Python inside Orthanc, and of the program that must be the same."""
        library = orthanc_python.find_plugin(plugin_files(configuration.get("Plugins"), configuration.folder))
        version = orthanc_python.embedded_version(library) if library else None
        if version is None:
            return
        yield Check(
            "PythonVersion",
            not orthanc_python.too_old(version),
            f"Orthanc's Python is {version}: 3.13 or later is needed, as in Debian 13 or orthancteam/orthanc 26.8",
        )
        program = self.python or settings.python
        found = self.ask(program, folders := package_folders(configuration), packages_for(settings))
        is_same = found is not None and found.version == version
        yield Check(
            "Python",
            is_same,
            f"the program {program} is {f'Python {found.version}' if found else 'not there'}, and Orthanc's Python is "
            f'{version}: helper processes need the same; install python{version}, or set "FrameCache": {{"Python": …}}',
        )
        if found is not None and is_same and has_script:
            yield _package_check(found, folders[0], extras(settings))


def _plugin_checks(configuration: Configuration) -> Iterator[Check]:
    files = plugin_files(configuration.get("Plugins"), configuration.folder)
    names = [path.name for path in files if path.is_file()]
    missing = [name for name in (PLUGIN, DICOM_WEB) if name not in names]
    advice = f'"Plugins" loads no {" and no ".join(missing)}: run `framecache install`, or name the files'
    yield Check("Plugins", not missing, advice)
    twice = sorted({name for name in names if names.count(name) > 1})
    yield Check("PluginsOnce", not twice, f"{', '.join(twice)} is loaded twice: Orthanc refuses to start")
    if not missing:
        advice = f'list {PLUGIN} before {DICOM_WEB} in "Plugins", both as files: the order in a folder is undefined'
        yield Check("PluginOrder", _in_order(configuration), f"{advice} (`framecache install` does it)")


def _in_order(configuration: Configuration) -> bool:
    """Whether the entry that loads the Python plugin comes before the one that loads DICOMweb; one folder is none."""
    entries = [plugin_files([entry], configuration.folder) for entry in configuration.get("Plugins")]
    python, dicom_web = (
        next(place for place, files in enumerate(entries) if name in [path.name for path in files])
        for name in (PLUGIN, DICOM_WEB)
    )
    return python < dicom_web


def _script_check(configuration: Configuration) -> Check:
    name = configuration.get("PythonScript")
    if not name:
        return Check("PythonScript", False, 'no "PythonScript" is set: run `framecache install`')
    script = configuration.folder / str(name)
    try:
        ours = "framecache" in script.read_text(errors="replace")
    except OSError as error:
        return Check("PythonScript", False, f'"PythonScript" {script} cannot be read: {error.strerror}')
    advice = f"{script} does not install the frame cache: add `from framecache import install` and `install(orthanc)`"
    return Check("PythonScript", ours, advice)


def _package_check(found: Interpreter, folder: Path, wanted: Sequence[str]) -> Check:
    missing = "; ".join(f"{name} ({why})" for name, why in found.missing.items())
    command = orthanc_python.pip_command(found.version, folder, wanted)
    return Check("Packages", not found.missing, f"Python {found.version} cannot import {missing}: {command}")


def extras(settings: Settings) -> list[str]:
    """The optional extras that these settings need."""
    wanted = {"archive": settings.archive or settings.storage_url, "cluster": settings.cluster}
    return [name for name, is_used in wanted.items() if is_used]


def packages_for(settings: Settings) -> list[str]:
    """What Orthanc's Python has to import with these settings."""
    return [*orthanc_python.PACKAGES, *(name for extra in extras(settings) for name in orthanc_python.EXTRAS[extra])]


def package_folders(configuration: Configuration) -> list[Path]:
    """Where Orthanc's Python looks first: the folders that the script adds, and its own."""
    script = configuration.folder / str(configuration.get("PythonScript") or "script.py")
    try:
        added = _ADDED_PATH.findall(script.read_text(errors="replace"))
    except OSError:
        added = []
    return [*(Path(folder) for _, folder in added), script.parent]
