"""An exported index serves another client of the same files, and files that are other ones are left to a scan."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from framecache.client import DICOMfileClient, Imported, InvalidRequestError, Progress

from tests.unit.client.instances import stored, uids, values, write
from tests.unit.dicom_files import DEFLATED, IMPLICIT, encapsulated

FORMATS = pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
AS_STORED = (("application/octet-stream", "*"),)
IDENTITY = dict(zip(("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"), uids(3, 1, 1), strict=True))
# An offset table of two frames, the first of them in two fragments (PS3.5 table A.4-2).
FRAGMENTS = [struct.pack("<2L", 0, 24), b"\xff\x4f12", b"3456", b"\xff\x4f78"]
MUELLER: dict[str, Any] = {
    "SpecificCharacterSet": "ISO_IR 192",
    "PatientName": "Müller^Eva",
    "OtherPatientIDs": ["X", "Y"],
    "SeriesNumber": "01",
}
FILES = {
    "a": stored(1, 1, 1, **MUELLER),
    "deep/in/b": stored(1, 1, 2, IMPLICIT, **{**MUELLER, "AccessionNumber": "", "NumberOfFrames": 2}),
    "deep/c": stored(2, 1, 1, DEFLATED),
    "README": b"no DICOM file",
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write(tmp_path / "source", FILES)
    return tmp_path / "source"


def exported(source: Path, suffix: str) -> Path:
    path = source.parent / f"index{suffix}"
    with DICOMfileClient(source, in_memory=True) as client:
        assert client.export_index(path) == 3
    return path


def copied(source: Path) -> Path:
    """The folder on another machine: with its times, in other inodes."""
    return shutil.copytree(source, source.parent / "copy")


def answers(client: DICOMfileClient) -> list[Any]:
    """All that the client finds, without the folder's name, and all frames."""
    found = [client.search_for_studies(fields=["all"]), client.search_for_series(), client.search_for_instances()]
    found.append(client.search_for_studies(search_filters={"PatientName": "MÜLLER*", "OtherPatientIDs": "Y"}))
    assert all(found)
    for result in (one for results in found for one in results):
        result.pop("00081190")
    study, series, instance = (values(found[2], tag) for tag in ("0020000D", "0020000E", "00080018"))
    places = zip(study, series, instance, strict=True)
    return [found, [client.retrieve_instance_frames(*place, [1, 2], AS_STORED) for place in places]]


@FORMATS
def test_an_imported_index_answers_as_the_one_that_was_exported(suffix: str, source: Path) -> None:
    path, seen = exported(source, suffix), list[Progress]()
    with (
        DICOMfileClient(source, in_memory=True) as first,
        DICOMfileClient(copied(source), db_dir=source.parent / "db", index_from=path, progress=seen.append) as second,
    ):
        assert answers(second) == answers(first)
        assert seen[-1] == Progress(seen=4, read=1, instances=3, others=1)
        assert second.import_index(path) == Imported(taken=3)


@FORMATS
def test_fragments_are_found_in_an_imported_index(suffix: str, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(source)
    write(
        source,
        {
            str(n): encapsulated(FRAGMENTS, NumberOfFrames=2, **{**IDENTITY, "SOPInstanceUID": f"1.{n}"})
            for n in range(3)
        },
    )
    path = exported(source, suffix)
    with DICOMfileClient(copied(source), in_memory=True, index_from=path) as client:
        monkeypatch.setattr("framecache.client.retrieval.opening.locate_frames", None)
        place = *uids(3, 1, 1)[:2], "1.1"
        assert client.retrieve_instance_frames(*place, [2, 1], AS_STORED) == [b"\xff\x4f78", b"\xff\x4f123456"]


def replaced(path: Path) -> None:
    """By a file of the same size and time, as archives that know no times unpack them."""
    status = path.stat()
    path.write_bytes(stored(9, 1, 1, **MUELLER))
    assert path.stat().st_size == status.st_size
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def grown(path: Path) -> None:
    status = path.stat()
    path.write_bytes(path.read_bytes() + bytes(2))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


CHANGES: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "changed": lambda path: path.write_bytes(stored(9, 1, 1)),
    "touched": lambda path: os.utime(path, ns=(1, 1)),
    "replaced by another instance of its size and time": replaced,
    "longer, with its time": grown,
    "a directory": a_directory,
    "a pipe": a_pipe,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_file_that_is_another_one_is_not_imported(change: Callable[[Path], object], source: Path) -> None:
    path, copy = exported(source, ".jsonl"), copied(source)
    change(copy / "a")
    (source.parent / "empty").mkdir()
    with DICOMfileClient(source.parent / "empty", in_memory=True) as client:
        assert client.import_index(path) == Imported(left=3)
    with DICOMfileClient(copy, in_memory=True) as expected, DICOMfileClient(copy, in_memory=True) as client:
        before = answers(expected)
        assert client.import_index(path) == Imported(taken=2, left=1)
        assert answers(client) == before
    with DICOMfileClient(copy, in_memory=True, index_from=path) as client:
        assert sorted(values(client.search_for_instances(), "00080018")) == sorted(values(before[0][2], "00080018"))


def test_a_file_that_changes_after_the_import_is_noticed(source: Path) -> None:
    path, copy = exported(source, ".parquet"), copied(source)
    with DICOMfileClient(copy, in_memory=True, index_from=path) as client:
        (copy / "a").write_bytes(stored(1, 1, 1, NumberOfFrames=1))
        [frame] = client.retrieve_instance_frames(*uids(1, 1, 1), [1], AS_STORED)
        assert frame == bytes([17] * 23 + [1])
        assert values(client.search_for_instances(search_filters={"NumberOfFrames": "1"}), "00080018") == [
            uids(1, 1, 1)[2]
        ]


def test_what_the_index_knows_of_a_file_counts_more_than_an_export(source: Path) -> None:
    path = exported(source, ".jsonl")
    path.write_text(path.read_text("utf-8").replace("Müller^Eva", "Nobody"), "utf-8")
    assert "Nobody" in path.read_text("utf-8")
    with DICOMfileClient(source, in_memory=True) as client:
        assert client.import_index(path) == Imported(taken=3)
        assert "Nobody" not in str(client.search_for_studies())


def test_what_is_no_export_is_an_invalid_request(source: Path) -> None:
    path = source.parent / "index.jsonl"
    path.write_text("{}\n")
    with DICOMfileClient(source, in_memory=True) as client, pytest.raises(InvalidRequestError, match="lacks columns"):
        client.import_index(path)


def test_a_name_that_is_no_text_is_left_to_a_scan(source: Path) -> None:
    (source / os.fsdecode(b"\xff")).write_bytes(stored(3, 1, 1))
    path = exported(source, ".parquet")
    with DICOMfileClient(source, in_memory=True, index_from=path) as client:
        assert client.counts() == {"instance": 4, "other": 1}
