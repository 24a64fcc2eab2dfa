"""After a delete, an overwrite or a rewritten file nothing of the old is sent, from the first answer on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import Archive, running, wait_until

pytestmark = pytest.mark.orthanc

SMALL = Sample(frames=4, rows=64, columns=96)
CONFIGURATIONS = {
    "storage in a folder": {},
    # Where no file tells the truth, what is known of an instance is asked for again at each request.
    "storage compressed": {"StorageCompression": True, "FrameCache": {"RevalidateSeconds": 0}},
}


@pytest.fixture(scope="module", params=CONFIGURATIONS)
def archive(suite: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Archive]:
    with running(suite, tmp_path_factory.mktemp(suite) / "orthanc", CONFIGURATIONS[request.param]) as archive:
        yield archive


def with_other_pixels(sample: Sample) -> Sample:
    """The same UIDs and the same length of a frame."""
    return replace(sample, rows=sample.columns, columns=sample.rows)


def payloads(archive: Archive, instance: Instance) -> list[bytes]:
    return [part.payload for part in archive.parts(instance, "1,2,3,4")]


def frames_of(sample: Sample) -> list[bytes]:
    return [frame.tobytes() for frame in sample.pixels()]


def test_frames_of_this_storage_are_hits_and_the_stock_plugins(archive: Archive) -> None:
    for seed, encoding in enumerate(("explicit", "implicit", "jpeg-2000", "rle")):
        instance = archive.store(replace(SMALL, encoding=encoding, seed=seed))
        assert archive.frames(instance, "1,2,3,4").headers["X-Frame-Cache"] == "hit"
        assert archive.parts(instance, "1,2,3,4") == archive.stock_parts(instance, "1,2,3,4")


def test_a_frame_that_is_not_cached_is_a_miss_and_the_stock_plugins(archive: Archive) -> None:
    instance = archive.store(replace(SMALL, kind="mammogram", seed=5), cached=False)
    assert archive.frames(instance, "1").headers["X-Frame-Cache"] == "miss"
    assert archive.parts(instance, "1") == archive.stock_parts(instance, "1")


@pytest.mark.parametrize("level", ["instances", "series", "studies", "patients"])
def test_what_was_deleted_is_404_at_once(archive: Archive, level: str) -> None:
    sample = replace(SMALL, seed=10)
    instance = archive.store(sample)
    tag = archive.frames(instance, "1").headers["ETag"]
    archive.delete(f"/{level}/{resource_of(archive, instance, level)}")
    assert archive.frames(instance, "1").status_code == 404
    assert archive.frames(instance, "1", if_none_match=tag).status_code == 404
    assert archive.get(f"/frame-cache/instances/{instance.orthanc_id}").status_code == 404


def resource_of(archive: Archive, instance: Instance, level: str) -> str:
    if level == "instances":
        return instance.orthanc_id
    singular = {"series": "series", "studies": "study", "patients": "patient"}[level]
    identifier: str = archive.get_json(f"/instances/{instance.orthanc_id}/{singular}")["ID"]
    return identifier


def test_the_frames_of_what_was_deleted_leave_the_disk(archive: Archive) -> None:
    before = archive.cached_files()
    instance = archive.store(replace(SMALL, seed=11))
    new = archive.cached_files() - before
    assert new
    archive.delete(f"/instances/{instance.orthanc_id}")
    wait_until(lambda: new.isdisjoint(archive.cached_files()))


def test_what_was_stored_again_after_a_delete_is_the_new(archive: Archive) -> None:
    old = replace(SMALL, seed=12)
    new = with_other_pixels(old)
    instance = archive.store(old)
    assert payloads(archive, instance) == frames_of(old)
    archive.delete(f"/instances/{instance.orthanc_id}")
    assert archive.store(new, cached=False) == instance
    assert payloads(archive, instance) == frames_of(new)


def test_what_was_overwritten_is_the_new_at_once_and_once_more_cached(archive: Archive) -> None:
    old = replace(SMALL, seed=13)
    new = with_other_pixels(old)
    instance = archive.store(old)
    tag = archive.frames(instance, "1,2,3,4").headers["ETag"]
    for sample in (new, old, new):
        assert archive.store(sample, cached=False) == instance
        answer = archive.frames(instance, "1,2,3,4", if_none_match=tag)
        assert answer.status_code == 200
        assert payloads(archive, instance) == frames_of(sample)
        tag = answer.headers["ETag"]
    wait_until(lambda: archive.frames(instance, "1,2,3,4").headers["X-Frame-Cache"] == "hit")
    assert payloads(archive, instance) == frames_of(new)


def test_another_number_of_frames_takes_effect_with_an_overwrite(archive: Archive) -> None:
    sample = replace(SMALL, seed=14)
    instance = archive.store(sample)
    archive.store(replace(sample, frames=2), cached=False)
    assert archive.frames(instance, "3").status_code == 404
    archive.store(replace(sample, frames=6), cached=False)
    assert archive.parts(instance, "1,6") == archive.stock_parts(instance, "1,6")


def test_another_transfer_syntax_takes_effect_with_an_overwrite(archive: Archive) -> None:
    sample = replace(SMALL, seed=15)
    instance = archive.store(sample)
    for encoding in ("jpeg-ls", "implicit", "rle"):
        archive.store(replace(sample, encoding=encoding), cached=False)
        assert archive.parts(instance, "1,2,3,4") == archive.stock_parts(instance, "1,2,3,4")


def test_compressing_and_uncompressing_the_attachment_changes_no_frame(archive: Archive) -> None:
    sample = replace(SMALL, seed=16)
    instance = archive.store(sample)
    for action in ("compress", "uncompress", "compress", "uncompress"):
        archive.post(f"/instances/{instance.orthanc_id}/attachments/dicom/{action}", {})
        assert payloads(archive, instance) == frames_of(sample)
        assert archive.parts(instance, "2") == archive.stock_parts(instance, "2")


@pytest.mark.parametrize("options", [{}, {"ReconstructFiles": True}])
def test_a_reconstructed_instance_has_the_same_frames(archive: Archive, options: dict[str, bool]) -> None:
    sample = replace(SMALL, seed=17)
    instance = archive.store(sample)
    archive.post(f"/instances/{instance.orthanc_id}/reconstruct", options)
    assert payloads(archive, instance) == frames_of(sample)


def test_a_reconstruction_into_another_transfer_syntax_is_sent_as_it_is_now(suite: str, tmp_path: Path) -> None:
    sample, lossless_jpeg = replace(SMALL, seed=18), "1.2.840.10008.1.2.4.70"
    folder = tmp_path / "orthanc"
    with running(suite, folder) as archive:
        instance = archive.store(sample)
    with running(suite, folder, {"IngestTranscoding": lossless_jpeg}, in_order=False) as archive:
        before = archive.frames(instance, "1")
        assert before.headers["X-Frame-Cache"] == "hit"
        archive.post(f"/instances/{instance.orthanc_id}/reconstruct", {"ReconstructFiles": True})
        after = archive.frames(instance, "1", if_none_match=before.headers["ETag"])
        assert (after.status_code, lossless_jpeg in after.headers["Content-Type"]) == (200, True)
        assert archive.parts(instance, "1,2,3,4") == archive.stock_parts(instance, "1,2,3,4")


def test_what_was_deleted_while_the_plugin_was_off_is_404(suite: str, tmp_path: Path) -> None:
    old = replace(SMALL, seed=19)
    new = with_other_pixels(old)
    folder = tmp_path / "orthanc"
    with running(suite, folder) as archive:
        overwritten, deleted = archive.store(old), archive.store(replace(SMALL, seed=20))
    with running(suite, folder, {"FrameCache": {"Enable": False}}, in_order=False) as archive:
        archive.store(new, cached=False)
        archive.delete(f"/instances/{deleted.orthanc_id}")
    with running(suite, folder, in_order=False) as archive:
        assert payloads(archive, overwritten) == frames_of(new)
        assert archive.frames(deleted, "1").status_code == 404
