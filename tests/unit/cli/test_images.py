"""`framecache ls` and `get` over a folder."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path

import pydicom
import pytest
from framecache.cli.images import frame_numbers

from tests.unit.cli.conftest import Command
from tests.unit.client.instances import data_set_of, stored, uids, write


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    files = {"a": stored(1, 1, 1), "b": stored(1, 1, 2), "c": stored(2, 1, 1, StudyDate="20211224")}
    write(tmp_path / "images", files)
    return tmp_path / "images"


def test_it_lists_studies_series_and_instances(command: Command, folder: Path) -> None:
    study, series, instance = uids(1, 1, 1)
    assert "20211224" in command("ls", str(folder)).output
    assert series in command("ls", folder.as_uri(), "--study", study).output
    assert instance in command("ls", str(folder), "--study", study, "--series", series).output
    listed = command("ls", str(folder), "--json", "--limit", "1", "--offset", "1")
    assert [one["0020000D"]["Value"] for one in listed.json] == [[uids(2, 1, 1)[0]]]


def test_it_writes_the_files_of_a_study(command: Command, folder: Path, tmp_path: Path) -> None:
    done = command("get", str(folder), "--study", uids(1, 1, 1)[0], "--out", str(tmp_path / "out"))
    assert (done.code, done.notices) == (0, "")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{uids(1, 1, n)[2]}.dcm" for n in (1, 2)]
    written = pydicom.dcmread(tmp_path / "out" / f"{uids(1, 1, 2)[2]}.dcm")
    assert written.PixelData == data_set_of(1, 1, 2).PixelData


@pytest.mark.parametrize(("options", "begins"), [([], b"\x21"), (["--rendered", "png"], b"\x89PNG")])
def test_it_writes_frames(command: Command, folder: Path, tmp_path: Path, options: list[str], begins: bytes) -> None:
    argv = ["get", str(folder), "--study", uids(2, 1, 1)[0], "--frames", "1,3", "--out", str(tmp_path / "out")]
    assert command(*argv, *options).code == 0
    written = sorted((tmp_path / "out").iterdir())
    assert [path.stem for path in written] == [f"{uids(2, 1, 1)[2]}-{number}" for number in (1, 3)]
    assert all(path.read_bytes().startswith(begins) for path in written)


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["ls", "/nonexistent/folder"], 1),
        (["ls", "gopher://x"], 2),
        (["ls", "{folder}", "--series", "1.2"], 2),
        (["get", "{folder}", "--study", "1.2.3"], 1),
        (["get", "{folder}", "--study", "{study}", "--frames", "1"], 2),  # two instances
        (["get", "{folder}", "--study", "{study}", "--instance", "{instance}", "--frames", "9"], 1),
        (["get", "{folder}", "--study", "{study}", "--frames", "0"], 2),
        (["ls", "http://127.0.0.1:9"], 3),
        (["ls", "http://me:secret@127.0.0.1:9"], 2),
    ],
)
def test_what_cannot_be_had_is_told(command: Command, folder: Path, tmp_path: Path, argv: list[str], code: int) -> None:
    names = {"folder": folder, "study": uids(1, 1, 1)[0], "instance": uids(1, 1, 1)[2]}
    out = ["--out", str(tmp_path / "out")] if argv[0] == "get" else []
    done = command(*(one.format(**names) for one in argv), *out)
    assert done.code == code
    assert done.notices
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(("text", "numbers"), [("1", [1]), ("2-4", [2, 3, 4]), ("5,1-2,5", [5, 1, 2, 5])])
def test_frame_numbers(text: str, numbers: list[int]) -> None:
    assert frame_numbers(text) == numbers


@pytest.mark.parametrize("text", ["", "0", "2-1", "a", "1-", "1,,2", "-3", "1-100001"])
def test_what_are_no_frame_numbers(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        frame_numbers(text)


def test_a_place_that_cannot_be_written_is_named(command: Command, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for out in ("file", "file/below"):
        done = command("get", str(folder), "--study", uids(1, 1, 1)[0], "--out", str(tmp_path / out))
        assert (done.code, str(tmp_path / out) in done.notices) == (1, True), done.notices


def test_an_empty_url_is_not_the_current_folder(command: Command) -> None:
    done = command("ls", "")
    assert (done.code, "is empty" in done.notices) == (2, True)
