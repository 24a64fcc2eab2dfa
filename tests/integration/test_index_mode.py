"""Frames that stay in Orthanc's own files: hits without a copy, as true as copies are."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import Archive, Endings, restart, running, wait_until

pytestmark = pytest.mark.orthanc

SMALL = Sample(frames=4, rows=64, columns=96)
ALL = "1,2,3,4"
# Where no file tells the truth, what is known of an instance is asked for again at each request.
AT_ONCE = {"RevalidateSeconds": 0}
FORMS = {
    "explicit": SMALL,
    "implicit": replace(SMALL, encoding="implicit"),
    "rle": replace(SMALL, encoding="rle"),
    "jpeg-2000 with a basic table": replace(SMALL, encoding="jpeg-2000"),
    "jpeg-2000 with an extended table": replace(SMALL, encoding="jpeg-2000", offset_table="extended"),
    "jpeg-2000 without a table": replace(SMALL, encoding="jpeg-2000", offset_table="none"),
    "jpeg-2000 in fragments": replace(SMALL, encoding="jpeg-2000", fragments_per_frame=3),
}


@pytest.fixture(scope="module")
def archive(suite: str, folder: Path, endings: Endings) -> Iterator[Archive]:
    configuration = {"FrameCache": {"Mode": "index", **AT_ONCE}}
    with running(suite, folder / "index", configuration, endings=endings) as archive:
        yield archive


@pytest.fixture(scope="module")
def auto(suite: str, folder: Path) -> Iterator[Archive]:
    """An Orthanc that compresses what it stores."""
    configuration = {"StorageCompression": True, "FrameCache": {"Mode": "auto", **AT_ONCE}}
    with running(suite, folder / "auto", configuration, in_order=False) as archive:
        yield archive


def payloads(archive: Archive, instance: Instance) -> list[bytes]:
    return [part.payload for part in archive.parts(instance, ALL)]


def pixels_of(sample: Sample) -> list[bytes]:
    return [frame.tobytes() for frame in sample.pixels()]


def with_other_pixels(sample: Sample) -> Sample:
    return replace(sample, rows=sample.columns, columns=sample.rows)


def file_of(archive: Archive, instance: Instance) -> Path:
    uuid = archive.get_json(f"/instances/{instance.orthanc_id}/attachments/dicom/info")["Uuid"]
    (path,) = archive.server.folder.glob(f"*/{uuid[:2]}/{uuid[2:4]}/{uuid}")
    return path


@pytest.mark.parametrize("form", FORMS)
def test_frames_are_hits_and_the_stock_plugins_without_a_copy(archive: Archive, form: str) -> None:
    instance = archive.store(replace(FORMS[form], seed=list(FORMS).index(form)))
    assert archive.frames(instance, ALL).headers["X-Frame-Cache"] == "hit"
    assert archive.parts(instance, ALL) == archive.stock_parts(instance, ALL)
    assert archive.parts(instance, "3") == archive.stock_parts(instance, "3")
    assert archive.progress(instance)["Mode"] == "index"
    assert not archive.cached_files()


def test_fragments_without_a_table_are_joined(archive: Archive) -> None:
    """The stock plugin cannot read these; with a table it reads the same frames."""
    sample = replace(FORMS["jpeg-2000 in fragments"], offset_table="none", seed=20)
    told = archive.store(replace(sample, offset_table="basic", seed=20, series_number=2))
    instance = archive.store(sample)
    assert archive.frames(instance, ALL).headers["X-Frame-Cache"] == "hit"
    assert payloads(archive, instance) == [part.payload for part in archive.stock_parts(told, ALL)]


def test_a_restart_needs_no_second_search(archive: Archive) -> None:
    """The items' headers are wiped out meanwhile: whoever looks for the fragments once more finds none."""
    instance = archive.store(replace(FORMS["jpeg-2000 with a basic table"], seed=30))
    before = archive.frames(instance, ALL).content
    path = file_of(archive, instance)
    item = struct.pack("<HH", 0xFFFE, 0xE000)
    path.write_bytes(path.read_bytes().replace(item, bytes(4)))
    restart(archive)
    after = archive.frames(instance, ALL)
    assert (after.headers["X-Frame-Cache"], after.content == before) == ("hit", True)
    assert archive.progress(instance)["State"] == "cached"


def test_what_was_deleted_is_404_at_once_and_what_was_overwritten_is_the_new(archive: Archive) -> None:
    old = replace(SMALL, seed=40)
    instance = archive.store(old)
    tag = archive.frames(instance, ALL).headers["ETag"]
    for sample in (with_other_pixels(old), old):
        archive.store(sample, cached=False)
        assert archive.frames(instance, ALL, if_none_match=tag).status_code == 200
        assert payloads(archive, instance) == pixels_of(sample)
        tag = archive.frames(instance, ALL).headers["ETag"]
    wait_until(lambda: archive.frames(instance, ALL).headers["X-Frame-Cache"] == "hit")
    assert payloads(archive, instance) == pixels_of(old)
    archive.delete(f"/instances/{instance.orthanc_id}")
    assert archive.frames(instance, "1").status_code == 404
    assert archive.frames(instance, "1", if_none_match=tag).status_code == 404


def test_a_file_that_orthanc_writes_anew_is_read_as_it_is_now(archive: Archive) -> None:
    sample = replace(SMALL, seed=41)
    instance = archive.store(sample)
    for action in ("compress", "uncompress"):
        archive.post(f"/instances/{instance.orthanc_id}/attachments/dicom/{action}", {})
        assert payloads(archive, instance) == pixels_of(sample)
    wait_until(lambda: archive.frames(instance, "1").headers["X-Frame-Cache"] == "hit")
    assert payloads(archive, instance) == pixels_of(sample)


def test_what_is_made_of_a_frame_is_served_and_not_kept(archive: Archive) -> None:
    instance = archive.store(replace(FORMS["jpeg-2000 with a basic table"], seed=42))
    native = "multipart/related; type=application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
    archive.frames(instance, "1", native)
    answer = archive.frames(instance, "1", native)
    assert answer.headers["X-Frame-Cache"] == "miss"
    assert archive.parts(instance, "1", native)[0].payload == pixels_of(replace(SMALL, seed=42))[0]
    assert not archive.cached_files()


def test_auto_copies_what_is_compressed_and_indexes_what_is_not(auto: Archive) -> None:
    sample = replace(SMALL, seed=50)
    instance = auto.store(sample)
    assert auto.progress(instance)["Mode"] == "copy"
    assert auto.frames(instance, ALL).headers["X-Frame-Cache"] == "hit"
    assert payloads(auto, instance) == pixels_of(sample)
    assert auto.cached_files()

    auto.post(f"/instances/{instance.orthanc_id}/attachments/dicom/uncompress", {})
    wait_until(lambda: auto.frames(instance, ALL).headers["X-Frame-Cache"] == "hit" and not auto.cached_files())
    assert auto.progress(instance)["Mode"] == "index"
    assert payloads(auto, instance) == pixels_of(sample)
