"""Files are written all or none, and taken back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from framecache.errors import SettingsError
from framecache.installation.files import Files


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "framecache.undo"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "orthanc.json"
    path.write_bytes(b"{\r\n}")
    path.chmod(0o640)
    return path


def test_what_was_written_is_taken_back_to_the_byte(old: Path, record: Path) -> None:
    new = old.with_name("new.json")
    files = Files.planned({old: "{}", new: "{}"}, record)
    files.write()
    assert (old.read_text(), new.read_text()) == ("{}", "{}")
    assert (old.stat().st_mode & 0o777, record.stat().st_mode & 0o777) == (0o640, 0o600)
    Files.recorded(record).take_back()
    assert old.read_bytes() == b"{\r\n}"
    assert sorted(os.listdir(old.parent)) == ["orthanc.json"]


def test_two_installations_are_taken_back_together(old: Path, record: Path) -> None:
    Files.planned({old: "1"}, record).write()
    Files.planned({old: "2", old.with_name("b"): "b"}, record).write()
    Files.recorded(record).take_back()
    assert old.read_bytes() == b"{\r\n}"
    assert sorted(os.listdir(old.parent)) == ["orthanc.json"]


def test_a_file_that_was_changed_between_two_installations_goes_back_to_that(old: Path, record: Path) -> None:
    Files.planned({old: "1"}, record).write()
    old.write_text("by hand")
    Files.planned({old: "2"}, record).write()
    Files.recorded(record).take_back()
    assert old.read_text() == "by hand"


def test_a_file_that_was_changed_since_is_not_overwritten(old: Path, record: Path) -> None:
    Files.planned({old: "1"}, record).write()
    old.write_text("by hand")
    with pytest.raises(SettingsError, match=r"orthanc\.json was changed since"):
        Files.recorded(record)
    assert old.read_text() == "by hand"


def test_only_what_changes_is_shown_and_written(old: Path, record: Path) -> None:
    files = Files.planned({old: "{\r\n}", old.with_name("b"): "b\n"}, record)
    assert files.difference().splitlines() == ["--- /dev/null", f"+++ {old.with_name('b')}", "@@ -0,0 +1 @@", "+b"]


def test_a_file_that_cannot_be_written_leaves_all_as_it_was(old: Path, record: Path) -> None:
    in_the_way = Path("/proc/framecache.json")
    with pytest.raises(SettingsError, match="cannot be written"):
        Files({old: "{\r\n}", in_the_way: None}, {old: "1", in_the_way: "2"}, record).write()
    assert old.read_bytes() == b"{\r\n}"
    assert sorted(os.listdir(old.parent)) == ["orthanc.json"]


@pytest.mark.parametrize("text", [None, "", "[]", '{"Before": {}}', "no JSON"])
def test_without_an_installation_there_is_nothing_to_undo(record: Path, text: str | None) -> None:
    if text is not None:
        record.write_text(text)
    with pytest.raises(SettingsError, match=r"nothing to undo|damaged"):
        Files.recorded(record)
