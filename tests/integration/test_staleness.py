"""After a delete, an overwrite or a rewritten file nothing of the old is sent, from the first answer on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread

from dev.orthanc_folder import SUITES
from dev.orthanc_server import PLUGINS
from dev.sample import Sample
from dev.upload import Instance
from dev.upload import instance as instance_at
from tests.integration.archive import Archive, Endings, instance_of, running, wait_until

pytestmark = pytest.mark.orthanc

SMALL = Sample(frames=4, rows=64, columns=96)
CONFIGURATIONS: dict[str, dict[str, object]] = {
    "storage in a folder": {},
    "storage compressed": {"StorageCompression": True},
    # The files of what was deleted stay for longer than these tests take, and tell nothing: Orthanc is asked each time.
    "deletion delayed": {
        "DelayedDeletion": {"Enable": True, "ThrottleDelayMs": 600_000},
        "FrameCache": {"RevalidateSeconds": 0},
    },
}
EXTRA_PLUGINS = {"deletion delayed": ["DelayedDeletion"]}
# What the storage does to files, the plugin sees by one API of both Orthancs: each is asked once with one of them.
STORAGES = [
    *((suite, "storage in a folder") for suite in SUITES),
    (SUITES[0], "storage compressed"),
    (SUITES[-1], "deletion delayed"),
]


@pytest.fixture(scope="module", params=STORAGES, ids="-".join)
def archive(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, endings: Endings
) -> Iterator[Archive]:
    suite, storage = request.param
    folder, plugins = tmp_path_factory.mktemp(suite) / "orthanc", [*PLUGINS, *EXTRA_PLUGINS.get(storage, [])]
    # DelayedDeletion waits for its delay before it lets Orthanc end.
    in_order = storage not in EXTRA_PLUGINS
    configuration = CONFIGURATIONS[storage]
    with running(suite, folder, configuration, plugins=plugins, in_order=in_order, endings=endings) as archive:
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


def test_uids_that_two_patients_share_open_the_frames_of_neither(archive: Archive, tmp_path: Path) -> None:
    """Which of them is meant, no URL tells: the stock plugin answers 404, and ours answered the one cached last."""
    sample = replace(SMALL, seed=41)
    instance = archive.store(sample)
    assert archive.frames(instance, "1").status_code == 200
    data_set = dcmread(sample.write(tmp_path / "other.dcm"))
    data_set.PatientID, data_set.PixelData = "ANOTHER", bytes(len(data_set.PixelData))
    data_set.save_as(tmp_path / "other.dcm")
    other = instance_of(sample, archive.upload((tmp_path / "other.dcm").read_bytes()))

    wait_until(lambda: archive.frames(instance, "1").status_code == archive.stock_frames(instance, "1").status_code)
    assert archive.frames(instance, "1").status_code == 404
    archive.delete(f"/instances/{instance.orthanc_id}")
    assert payloads(archive, other) == [bytes(len(frame)) for frame in frames_of(sample)]
    archive.wait_until_cached(other)
    archive.delete(f"/instances/{other.orthanc_id}")


def test_the_frames_of_what_was_deleted_leave_the_disk(archive: Archive) -> None:
    before = archive.cached_files()
    instance = archive.store(replace(SMALL, seed=11))
    new = archive.cached_files() - before
    assert new
    archive.delete(f"/instances/{instance.orthanc_id}")
    wait_until(lambda: new.isdisjoint(archive.cached_files()))


LOSSLESS_JPEG = "1.2.840.10008.1.2.4.70"


@pytest.mark.parametrize("level", ["series", "studies"])
def test_what_was_modified_in_place_is_the_new_at_once_and_leaves_nothing_of_the_old(
    archive: Archive, level: str
) -> None:
    """The UIDs and so the Orthanc IDs stay; the transfer syntax changes, so that no frame keeps its bytes."""
    sample = replace(SMALL, seed=31 if level == "series" else 32)
    before = archive.cached_files()
    instance = archive.store(sample)
    old = archive.cached_files() - before
    tag = archive.frames(instance, "1").headers["ETag"]
    change = {
        "Replace": {"SeriesDescription": "modified"} if level == "series" else {"StudyDescription": "modified"},
        "Keep": ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"],
        "Transcode": LOSSLESS_JPEG,
        "Force": True,
        "KeepSource": True,
    }
    archive.post(f"/{level}/{resource_of(archive, instance, level)}/modify", change)
    answer = archive.frames(instance, "1", if_none_match=tag)
    assert (answer.status_code, LOSSLESS_JPEG in answer.headers["Content-Type"]) == (200, True)
    assert archive.parts(instance, "1,2,3,4") == archive.stock_parts(instance, "1,2,3,4")
    archive.wait_until_cached(instance)
    wait_until(lambda: old.isdisjoint(archive.cached_files()), lambda: str(old & archive.cached_files()))


def test_what_was_anonymized_is_new_and_its_source_404_at_once(archive: Archive) -> None:
    before = archive.cached_files()
    source = archive.store(replace(SMALL, seed=33))
    old = archive.cached_files() - before
    study = resource_of(archive, source, "studies")
    answer = archive.ask("POST", f"/studies/{study}/anonymize", json={"KeepSource": False})
    (made,) = archive.get_json(f"/studies/{answer.json()['ID']}/instances")
    assert archive.frames(source, "1").status_code == 404
    anonymized = instance_at(archive.server.url, made["ID"])
    assert payloads(archive, anonymized) == frames_of(replace(SMALL, seed=33))
    archive.wait_until_cached(anonymized)
    wait_until(lambda: old.isdisjoint(archive.cached_files()), lambda: str(old & archive.cached_files()))


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
    versions = set()
    for action in ("compress", "uncompress", "compress", "uncompress"):
        versions.add(archive.get_json(f"/instances/{instance.orthanc_id}/attachments/dicom/info")["Uuid"])
        archive.post(f"/instances/{instance.orthanc_id}/attachments/dicom/{action}", {})
        assert payloads(archive, instance) == frames_of(sample)
        assert archive.parts(instance, "2") == archive.stock_parts(instance, "2")
    wait_until(lambda: archive.frames(instance, "1,2,3,4").headers["X-Frame-Cache"] == "hit")
    # Orthanc sends no event of this, and still nothing of the old versions is left.
    wait_until(lambda: not any(versions & set(path.parts) for path in archive.cached_files()))


LONG = replace(SMALL, frames=150, rows=512, columns=512, seed=50)
ATTEMPTS = 5


@pytest.fixture(scope="module")
def long_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return LONG.write(tmp_path_factory.mktemp("long") / "long.dcm").read_bytes()


@pytest.mark.parametrize("event", ["deleted", "overwritten"])
def test_a_fill_that_was_running_meanwhile_leaves_nothing_behind(
    archive: Archive, long_file: bytes, event: str
) -> None:
    new = replace(SMALL, seed=LONG.seed)
    wait_until(lambda: is_at_rest(archive))
    before = archive.cached_files()
    for _ in range(ATTEMPTS):
        frames = archive.status()["ExtractedFrames"]
        instance = instance_of(LONG, archive.upload(long_file))
        wait_until_more_than(archive, before)
        if event == "deleted":
            archive.delete(f"/instances/{instance.orthanc_id}")
            assert archive.frames(instance, "1").status_code == 404
        else:
            archive.store(new)
            assert payloads(archive, instance) == frames_of(new)
            archive.delete(f"/instances/{instance.orthanc_id}")
        wait_until_no_more_than(archive, before)
        if archive.status()["ExtractedFrames"] < frames + LONG.frames:
            return  # it did not come to its end
    pytest.fail("no fill was under way when it happened")


def wait_until_more_than(archive: Archive, known: set[Path]) -> None:
    wait_until(lambda: bool(archive.cached_files() - known))


def wait_until_no_more_than(archive: Archive, known: set[Path]) -> None:
    """And nothing is cut out any more: a block that is being written comes behind those that are removed.

    Of what was known, the blocks of versions that earlier tests replaced may go meanwhile.
    """
    wait_until(
        lambda: is_at_rest(archive) and archive.cached_files() <= known,
        lambda: str(archive.cached_files() - known),
    )


def is_at_rest(archive: Archive) -> bool:
    """Whether nothing is cut out, nor waits for it."""
    queue = archive.get_json("/frame-cache/statistics")["Queue"]
    return not queue["AtWork"] and archive.status()["QueueLength"] == 0


@pytest.mark.parametrize("options", [{}, {"ReconstructFiles": True}])
def test_a_reconstructed_instance_has_the_same_frames(archive: Archive, options: dict[str, bool]) -> None:
    sample = replace(SMALL, seed=17)
    instance = archive.store(sample)
    archive.post(f"/instances/{instance.orthanc_id}/reconstruct", options)
    assert payloads(archive, instance) == frames_of(sample)


def test_a_reconstruction_into_another_transfer_syntax_is_sent_as_it_is_now(suite: str, tmp_path: Path) -> None:
    sample = replace(SMALL, seed=18)
    folder = tmp_path / "orthanc"
    with running(suite, folder) as archive:
        instance = archive.store(sample)
    with running(suite, folder, {"IngestTranscoding": LOSSLESS_JPEG}, in_order=False) as archive:
        before = archive.frames(instance, "1")
        assert before.headers["X-Frame-Cache"] == "hit"
        archive.post(f"/instances/{instance.orthanc_id}/reconstruct", {"ReconstructFiles": True})
        after = archive.frames(instance, "1", if_none_match=before.headers["ETag"])
        assert (after.status_code, LOSSLESS_JPEG in after.headers["Content-Type"]) == (200, True)
        assert archive.parts(instance, "1,2,3,4") == archive.stock_parts(instance, "1,2,3,4")


def test_what_is_transcoded_when_it_is_stored_is_sent_as_it_is_stored(suite: str, tmp_path: Path) -> None:
    old = replace(SMALL, seed=21)
    configuration = {"IngestTranscoding": LOSSLESS_JPEG, "MaximumPatientCount": 1}
    with running(suite, tmp_path, configuration, in_order=False) as archive:
        instance = archive.store(old)
        for sample in (old, with_other_pixels(old)):
            archive.store(sample, cached=False)
            answer = archive.frames(instance, "1")
            assert (answer.status_code, LOSSLESS_JPEG in answer.headers["Content-Type"]) == (200, True)
            assert archive.parts(instance, "1,2,3,4") == archive.stock_parts(instance, "1,2,3,4")
            archive.wait_until_cached(instance)
        # Another patient: Orthanc may keep one only, and makes room.
        files = archive.cached_files()
        content = replace(SMALL, seed=22).write(tmp_path / "other.dcm").read_bytes()
        archive.upload(content.replace(b"SYNTHETIC ", b"SYNTHETIC2"))
        assert archive.frames(instance, "1").status_code == 404
        wait_until(lambda: files.isdisjoint(archive.cached_files()))


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
