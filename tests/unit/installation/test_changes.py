"""What a configuration needs so that the plugin serves."""

from __future__ import annotations

from pathlib import Path

import pytest
from framecache.errors import SettingsError
from framecache.installation.changes import made, needed
from framecache.installation.configuration import Configuration

from tests.unit.installation.site import DICOM_WEB, GDCM, PYTHON, Site

SCRIPT = Path("/opt/framecache.py")


def keys_of(site: Site) -> list[str]:
    return [".".join(change.keys) for change in needed(Configuration.read(site.configuration), SCRIPT)]


def test_a_configuration_that_serves_is_left_alone(site: Site) -> None:
    assert keys_of(site) == []


@pytest.mark.parametrize(
    ("change", "keys"),
    [
        ({"Python": None}, ["Python.AllowThreads"]),
        ({"Python": {"AllowThreads": False}}, ["Python.AllowThreads"]),
        ({"PythonScript": None}, ["PythonScript"]),
        ({"PythonScript": "/etc/orthanc/sample.py"}, ["PythonScript"]),
        ({"FrameCache": None}, ["FrameCache"]),
        ({"KeepAliveTimeout": None}, ["KeepAliveTimeout"]),
        ({"KeepAliveTimeout": 1}, ["KeepAliveTimeout"]),
        ({"KeepAliveTimeout": 30}, []),
        ({"DicomWeb": None}, ["DicomWeb.EnableMetadataCache"]),
        ({"DicomWeb": None, "FrameCache": {"Metadata": "off"}}, []),
        ({"OHIF": {}}, ["OHIF.DataSource"]),
        ({"OHIF": {"DataSource": "dicom-json"}}, ["OHIF.DataSource"]),
        ({"OHIF": {"DataSource": "dicom-web"}}, []),
    ],
)
def test_only_what_is_missing_is_changed(site: Site, change: dict[str, object], keys: list[str]) -> None:
    site.change(**change)
    assert keys_of(site) == keys


def test_a_folder_of_plugins_becomes_its_files_python_first(site: Site) -> None:
    site.change(Plugins=[str(site.plugins)])
    read = Configuration.read(site.configuration)
    after = made(read, needed(read, SCRIPT))
    assert after.get("Plugins") == [str(site.plugins / name) for name in (PYTHON, DICOM_WEB, GDCM)]
    assert after.get("BuiltinDecoderTranscoderOrder") == "Before"
    assert needed(after, SCRIPT) == []


def test_the_other_plugins_keep_their_order(site: Site) -> None:
    names = ["libZ.so", DICOM_WEB, "libA.so", PYTHON]
    site.change(Plugins=[str(site.plugins / name) for name in names])
    [change] = needed(Configuration.read(site.configuration), SCRIPT)
    assert [Path(path).name for path in change.value] == [PYTHON, DICOM_WEB, "libZ.so", "libA.so"]


@pytest.mark.parametrize("name", [PYTHON, DICOM_WEB])
def test_a_plugin_that_is_not_installed_is_named(site: Site, name: str) -> None:
    (site.plugins / name).unlink()
    with pytest.raises(SettingsError, match=f"{name} is neither in .*apt-get install"):
        needed(Configuration.read(site.configuration), SCRIPT)


def test_a_script_of_a_sites_own_is_not_replaced(site: Site) -> None:
    site.script.write_text("import orthanc\n")
    with pytest.raises(SettingsError, match=r"add to it .*install\(orthanc\)"):
        needed(Configuration.read(site.configuration), SCRIPT)


def test_one_file_of_a_folder_gets_no_key_that_another_one_has(site: Site) -> None:
    site.change(PythonScript=None)
    (site.configuration / "python.json").write_text('{"PythonScript": "/etc/orthanc/sample.py"}')
    with pytest.raises(SettingsError, match=r'"PythonScript" is in .*python\.json'):
        needed(Configuration.read(site.configuration / "orthanc.json"), SCRIPT)
    assert keys_of(site) == ["PythonScript"]
