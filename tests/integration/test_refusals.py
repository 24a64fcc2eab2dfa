"""Frames that do not exist, and paths that lead nowhere."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import Archive, instance_of

pytestmark = pytest.mark.orthanc

SMALL = Sample(frames=3, rows=64, columns=96)
UNKNOWN_ID = "00000000-00000000-00000000-00000000-00000000"


@pytest.fixture(scope="module")
def stored(archive: Archive) -> Instance:
    return archive.store(SMALL)


@pytest.fixture(scope="module")
def of_another_study(archive: Archive) -> Instance:
    return archive.store(replace(SMALL, seed=1))


@pytest.fixture(scope="module")
def of_another_series(archive: Archive) -> Instance:
    return archive.store(replace(SMALL, series_number=2))


def test_uids_that_do_not_belong_together_are_404(
    archive: Archive, stored: Instance, of_another_study: Instance, of_another_series: Instance
) -> None:
    """Or a token for one study would open the frames of another."""
    mixtures = [
        replace(stored, study_instance_uid=of_another_study.study_instance_uid),
        replace(stored, series_instance_uid=of_another_series.series_instance_uid),
        replace(stored, series_instance_uid=of_another_study.series_instance_uid),
        replace(of_another_study, sop_instance_uid=stored.sop_instance_uid),
    ]
    for _ in range(2):  # what was learnt from the first request must not open the second
        assert [archive.frames(mixture, "1").status_code for mixture in mixtures] == [404] * len(mixtures)
    for instance in (stored, of_another_study, of_another_series):
        assert archive.frames(instance, "1").headers["X-Frame-Cache"] == "hit"


def test_an_unknown_instance_is_404(archive: Archive) -> None:
    unknown = instance_of(replace(SMALL, seed=99), UNKNOWN_ID)
    assert archive.frames(unknown, "1").status_code == 404


@pytest.mark.parametrize("frame_list", ["4", "1,4", "2147483647"])
def test_a_frame_past_the_last_is_404_and_the_answer_says_how_many_there_are(
    archive: Archive, stored: Instance, frame_list: str
) -> None:
    answer = archive.frames(stored, frame_list)
    assert (answer.status_code, "3 frames" in answer.json()["Message"]) == (404, True)


@pytest.mark.parametrize("frame_list", ["0", "-1", "x", "1,0", "1,,2", "1,", "2147483648", "%31%3B"])
def test_what_is_no_frame_list_is_400(archive: Archive, stored: Instance, frame_list: str) -> None:
    assert archive.frames(stored, frame_list).status_code == 400


@pytest.mark.parametrize("uid", ["1.2.3%00", "..%2F..", "1" * 65, "1.2.a"])
def test_what_is_no_uid_opens_nothing(archive: Archive, stored: Instance, uid: str) -> None:
    answer = archive.frames(replace(stored, sop_instance_uid=uid), "1")
    assert answer.status_code in (400, 404)


@pytest.mark.parametrize("orthanc_id", [UNKNOWN_ID, "x", "00000000", "..%2Fsystem"])
def test_an_unknown_orthanc_id_is_404_in_json(archive: Archive, orthanc_id: str) -> None:
    answer = archive.get(f"/frame-cache/instances/{orthanc_id}")
    assert answer.status_code == 404
    assert answer.json()["HttpStatus"] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_only_get_is_allowed(archive: Archive, stored: Instance, method: str) -> None:
    for path in (f"{stored.path}/frames/1", "/frame-cache/status", f"/frame-cache/instances/{stored.orthanc_id}"):
        assert archive.ask(method, path).status_code == 405


def test_frames_come_after_all_these_refusals(archive: Archive, stored: Instance) -> None:
    assert archive.parts(stored, "1,2,3") == archive.stock_parts(stored, "1,2,3")
    assert archive.status()["Errors"] == 0
