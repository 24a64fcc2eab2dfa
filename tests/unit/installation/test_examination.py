"""Each fault is found in the files, with what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from framecache.installation.examination import Examination
from framecache.installation.machine import Machine
from framecache.installation.orthanc_python import PACKAGES, Interpreter, ask

from dev.console import CHECKOUT
from tests.unit.installation.site import DICOM_WEB, PYTHON, Site

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
Ask = Callable[[str, Sequence[Path], Sequence[str]], Interpreter | None]
LARGE = Machine(free=lambda _: 1 << 40, memory=lambda: 1 << 40)


def answer(program: str, folders: Sequence[Path], names: Sequence[str]) -> Interpreter | None:
    """As a Python that has all packages but those of extras, at once."""
    assert folders
    missing = dict.fromkeys({*names} - {*PACKAGES}, "No module")
    return Interpreter(program, VERSION, missing) if program == sys.executable else None


def advice(site: Site, machine: Machine = LARGE, ask: Ask = answer) -> dict[str, str]:
    checks = Examination(site.configuration, machine, ask=ask).checks()
    return {check.name: check.advice for check in checks if not check.passed}


# This Python stands for Orthanc's, as it has all packages; Orthanc's is never so old.
KNOWN = {"PythonVersion"} if sys.version_info < (3, 13) else set()


def plugins(site: Site, *names: str) -> list[str]:
    return [str(site.plugins / name) for name in names]


FAULTS: dict[str, tuple[Callable[[Site], object], str, str]] = {
    "no JSON": (lambda s: (s.configuration / "x.json").write_text("{"), "Configuration", "line 1"),
    "a key twice": (lambda s: (s.configuration / "x.json").write_text('{"Plugins": []}'), "Configuration", "is in"),
    "no Python plugin": (lambda s: s.change(Plugins=plugins(s, DICOM_WEB)), "Plugins", PYTHON),
    "no DICOMweb": (lambda s: s.change(Plugins=plugins(s, PYTHON)), "Plugins", DICOM_WEB),
    "plugin missing": (lambda s: (s.plugins / PYTHON).unlink(), "Plugins", "framecache install"),
    "wrong order": (lambda s: s.change(Plugins=plugins(s, DICOM_WEB, PYTHON)), "PluginOrder", "before"),
    "a folder": (lambda s: s.change(Plugins=[str(s.plugins)]), "PluginOrder", "as files"),
    "twice": (lambda s: s.change(Plugins=plugins(s, PYTHON, DICOM_WEB, PYTHON)), "PluginsOnce", "loaded twice"),
    "no script": (lambda s: s.change(PythonScript=None), "PythonScript", "framecache install"),
    "script missing": (lambda s: s.script.unlink(), "PythonScript", "cannot be read"),
    "another script": (lambda s: s.script.write_text("import orthanc"), "PythonScript", "install(orthanc)"),
    "no threads": (lambda s: s.change(Python={}), "AllowThreads", '"AllowThreads": true'),
    "OHIF": (lambda s: s.change(OHIF={"DataSource": "dicom-json"}), "OhifDataSource", "dicom-web"),
    "DICOMweb off": (
        lambda s: s.change(DicomWeb={"Enable": False, "EnableMetadataCache": False}),
        "DicomWebEnabled",
        "turned off",
    ),
    "bad setting": (lambda s: s.set(Workers=0), "Settings", "from 1 to 64"),
    "no section": (lambda s: s.change(FrameCache=[1]), "Settings", "must be an object"),
    "metadata": (lambda s: s.change(DicomWeb={}), "MetadataCache", "EnableMetadataCache"),
    "archive": (lambda s: s.set(Archive="file:///srv/archive"), "Packages", "'.[archive]'"),
    "users": (lambda s: s.set(AdminUsers=["a"]), "AdminUsers", "AuthenticationEnabled"),
    "no Python": (lambda s: s.set(Python="/no/python"), "Python", "not there"),
}


@pytest.fixture
def sound(tmp_path: Path) -> Site:
    """Its Orthanc embeds the Python that runs this test."""
    site = Site.make(tmp_path, VERSION)
    site.set(Python=sys.executable)
    return site


def test_a_sound_installation_has_no_fault(sound: Site) -> None:
    assert set(advice(sound)) == KNOWN


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_and_nothing_else(sound: Site, name: str) -> None:
    make, check, words = FAULTS[name]
    make(sound)
    found = advice(sound)
    assert set(found) - KNOWN == {check}
    assert words in found[check]


@pytest.mark.parametrize(
    ("machine", "check", "words"),
    [
        (Machine(free=lambda _: 1 << 20, memory=lambda: 1 << 40), "Disk", '"MaximumSizeMB" to 1 or less'),
        (Machine(free=lambda _: 1 << 40, memory=lambda: 1 << 30), "Memory", "the machine has 1.0 GiB"),
    ],
)
def test_a_small_machine_is_noticed(sound: Site, machine: Machine, check: str, words: str) -> None:
    found = advice(sound, machine)
    assert set(found) - KNOWN == {check}
    assert words in found[check]


def test_an_old_python_is_named(tmp_path: Path) -> None:
    found = advice(Site.make(tmp_path, "3.11"))
    assert "Orthanc's Python is 3.11: 3.13 or later is needed" in found["PythonVersion"]


def test_a_missing_package_is_named_with_the_command_that_brings_it(sound: Site) -> None:
    folder = sound.root / "packages"
    folder.mkdir()
    (folder / "xxhash.py").write_text("raise ImportError('made for another Python')")
    sound.write_script(folder, CHECKOUT / "plugin")
    found = advice(sound, ask=ask)
    assert (
        f"cannot import xxhash (made for another Python): python3 -m pip install --target={folder}" in found["Packages"]
    )


def test_a_cache_that_others_may_read_is_named(sound: Site) -> None:
    folder = sound.root / "FrameCache"
    folder.mkdir(mode=0o755)
    assert "chmod 700" in advice(sound)["Access"]
    folder.chmod(0o700)
    assert "Access" not in advice(sound)
