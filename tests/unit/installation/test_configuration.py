"""A configuration of one file, or of a folder."""

from __future__ import annotations

from errno import EACCES
from pathlib import Path

import pytest
from framecache.errors import SettingsError
from framecache.installation.configuration import Configuration


def folder_of(path: Path, **files: str) -> Path:
    for name, text in files.items():
        (path / f"{name}.json").write_text(text)
    (path / "notes.txt").write_text("no JSON")
    return path


def test_the_files_of_a_folder_are_one_configuration(tmp_path: Path) -> None:
    read = Configuration.read(folder_of(tmp_path, orthanc='{"Name": "a"}', web='{"DicomWeb": {"Root": "/x/"}}'))
    assert read.value == {"Name": "a", "DicomWeb": {"Root": "/x/"}}
    assert read.get("DicomWeb", "Root") == "/x/"
    assert read.get("Name", "Inner") is None


def test_a_key_in_two_files_is_refused_as_orthanc_does(tmp_path: Path) -> None:
    folder_of(tmp_path, one='{"Name": "a"}', two='{"Name": "b"}')
    with pytest.raises(SettingsError, match=r'"Name" is in .*one.json and in .*two.json'):
        Configuration.read(tmp_path)


def test_a_key_is_changed_where_it_is_and_a_new_one_goes_into_a_file_of_our_own(tmp_path: Path) -> None:
    read = Configuration.read(folder_of(tmp_path, orthanc='{"Name": "a"}', web='{"DicomWeb": {}}'))
    changed = read.with_value(["DicomWeb", "Enable"], True).with_value(["FrameCache"], {})
    assert {path.name: text.value for path, text in changed.files.items()} == {
        "orthanc.json": {"Name": "a"},
        "web.json": {"DicomWeb": {"Enable": True}},
        "framecache.json": {"FrameCache": {}},
    }


def test_a_new_key_goes_into_the_only_file(tmp_path: Path) -> None:
    path = tmp_path / "orthanc.json"
    path.write_bytes(b'{"Name": "a"\r\n}')
    changed = Configuration.read(path).with_value(["FrameCache"], {})
    assert changed.files[path].text == '{\n  "FrameCache": {},"Name": "a"\r\n}'


@pytest.mark.parametrize("content", [None, b"{", b"\xff"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "orthanc.json"
    if content:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"orthanc\.json"):
        Configuration.read(path)


def test_a_folder_without_a_configuration_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no JSON")
    with pytest.raises(SettingsError, match=r"has no file \*\.json: name Orthanc's configuration"):
        Configuration.read(tmp_path)


@pytest.mark.parametrize("reader", ["read_bytes", "iterdir"])
def test_who_may_not_read_it_is_told_who_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(EACCES, "Permission denied", str(path))

    folder_of(tmp_path, orthanc="{}")
    monkeypatch.setattr(Path, reader, refuse)
    with pytest.raises(SettingsError, match=r"cannot be read: Permission denied: run this as a user who may"):
        Configuration.read(tmp_path)


def test_a_key_that_another_file_of_the_folder_has_is_not_written_into_the_only_one(tmp_path: Path) -> None:
    folder_of(tmp_path, orthanc='{"Name": "a"}', python='{"PythonScript": "/a.py"}')
    with pytest.raises(SettingsError, match=r'"PythonScript" is in .*python\.json.*name the folder'):
        Configuration.read(tmp_path / "orthanc.json").refuse_neighbours(["PythonScript", "Name"])


@pytest.mark.parametrize(
    "beside",
    [
        '{"DicomWeb": {}}',  # no key that is to be written
        '{"Name": "b", "PythonScript": "/b.py"}',  # Orthanc refuses both together: it reads one of them
        "no JSON",
    ],
)
def test_other_files_of_the_folder_are_no_concern_of_the_only_one(tmp_path: Path, beside: str) -> None:
    folder_of(tmp_path, orthanc='{"Name": "a"}', python=beside)
    Configuration.read(tmp_path / "orthanc.json").refuse_neighbours(["PythonScript", "Name"])
