"""`make run` and `make demo` against the real Orthanc of each suite."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from dev import run
from dev.console import CHECKOUT, SetupError
from dev.orthanc_folder import SUITES
from dev.orthanc_server import answers, free_port
from dev.run import Options
from dev.sample import Sample
from dev.slide import slide


@pytest.mark.parametrize(
    ("environment", "options"),
    [
        ({}, Options("trixie", 8042, "small", [])),
        ({"ORTHANC_SUITE": "", "HTTP_PORT": "", "SAMPLE": "", "DICOM": ""}, Options("trixie", 8042, "small", [])),
        (
            {"ORTHANC_SUITE": "forky", "HTTP_PORT": "9", "SAMPLE": "large", "DICOM": "/a '/b c'"},
            Options("forky", 9, "large", [Path("/a"), Path("/b c")]),
        ),
    ],
)
def test_the_environment_is_read(environment: Mapping[str, str], options: Options) -> None:
    assert Options.of(environment) == options


@pytest.mark.parametrize("name", ["O'Brien.dcm", 'a "scan".dcm', "two words"])
def test_a_path_with_quotation_marks_or_blanks_is_taken_as_it_stands(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.touch()
    assert Options.of({"DICOM": str(path)}).dicom == [path]
    assert Options.of({"DICOM": f"{shlex.quote(str(path))} /b"}).dicom == [path, Path("/b")]


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"HTTP_PORT": "http"}, "HTTP_PORT=http is not a port"),
        ({"HTTP_PORT": "0"}, "HTTP_PORT=0 is not a port"),
        ({"HTTP_PORT": "65536"}, "HTTP_PORT=65536 is not a port"),
        ({"SAMPLE": "huge"}, "SAMPLE=huge is not known: use small, large, slide"),
        ({"DICOM": "/scans/O'Brien"}, "DICOM=/scans/O'Brien cannot be read"),
        ({"DICOM": "~nobody-of-that-name/scans"}, "DICOM=~nobody-of-that-name/scans cannot be read"),
    ],
)
def test_a_value_that_cannot_be_is_named(environment: Mapping[str, str], line: str) -> None:
    with pytest.raises(SetupError, match=line):
        Options.of(environment)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the demo keeps its things, instead of the storage that a developer may be using."""
    monkeypatch.setattr(run, "CACHE", tmp_path)
    monkeypatch.setitem(run.SAMPLES, "small", [Sample(frames=3, rows=400, columns=300)])
    monkeypatch.setitem(run.SAMPLES, "slide", [*slide("explicit", 4), *slide("jpeg", 4)])
    return tmp_path


@pytest.mark.orthanc
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("suite", SUITES)
def test_the_demo_shows_a_hit_and_leaves_nothing_running(suite: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = Options(suite, free_port(), "small", [])

    for start in ("first", "second"):
        run.serve(options, once=True)
        shown = capsys.readouterr().out

        assert "3/3" in shown
        assert " hit " in shown
        assert ("Uploading" in shown) == (start == "first")
        assert not answers(options.port)


@pytest.mark.orthanc
@pytest.mark.usefixtures("folder")
def test_a_sample_of_several_files_is_uploaded_once_and_cached_as_a_whole(capsys: pytest.CaptureFixture[str]) -> None:
    for start in ("first", "second"):
        run.serve(Options("trixie", free_port(), "slide", []), once=True)
        shown = capsys.readouterr().out

        assert "40/40" in shown  # twice 16 and 4 tiles; a level of one tile is not cached
        assert " hit " in shown
        assert ("Uploading" in shown) == (start == "first")


@pytest.mark.orthanc
def test_files_of_ones_own_are_uploaded_and_others_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = folder / "own"
    own.mkdir()
    Sample(frames=2, rows=40, columns=30, seed=5, encoding="jpeg-2000").write(own / "a.dcm")
    Sample(kind="mammogram", rows=40, columns=30, seed=6).write(own / "b.dcm")
    (own / "notes.txt").write_text("not DICOM")

    run.serve(Options("trixie", free_port(), "small", [own]), once=True)

    shown = capsys.readouterr().out
    assert "Orthanc did not take " in shown
    assert "2/2" in shown
    assert " hit " in shown


@pytest.mark.orthanc
def test_a_folder_without_dicom_is_an_error_and_not_the_sample(folder: Path) -> None:
    (folder / "empty").mkdir()

    with pytest.raises(SetupError, match="Orthanc took no file"):
        run.serve(Options("trixie", free_port(), "small", [folder / "empty"]), once=True)


@pytest.mark.orthanc
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_end(end: signal.Signals, tmp_path: Path) -> None:
    port = free_port()
    program = f"from pathlib import Path; from dev import run; run.CACHE = Path({str(tmp_path)!r})"
    program += "; raise SystemExit(run.exit_code(run.main))"
    Sample(frames=2, rows=40, columns=30).write(tmp_path / "own.dcm")
    environment = {**os.environ, "HTTP_PORT": str(port), "DICOM": str(tmp_path / "own.dcm")}

    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    shown = ""
    while "Ctrl-C" not in shown:
        line = process.stdout.readline()
        assert line, shown
        shown += line
    assert answers(port)
    process.send_signal(end)

    assert "Orthanc is stopped." in process.communicate(timeout=120)[0]
    assert process.returncode == 0
    assert not answers(port)
