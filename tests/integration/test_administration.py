"""What an administrator asks a running Orthanc: progress, jobs, events, and what is purged while it is filled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import Archive, wait_until

pytestmark = pytest.mark.orthanc

ACTION = {"X-Frame-Cache": "1"}
SMALL = Sample(frames=3, rows=64, columns=96)
# So many frames that a purge finds it at work.
LARGE = Sample(frames=120, rows=512, columns=512, seed=7)


def parent(archive: Archive, instance: Instance, level: str) -> str:
    return str(archive.get_json(f"/instances/{instance.orthanc_id}/{level}")["ID"])


def tell(archive: Archive, path: str) -> Any:
    return archive.get_json(f"/frame-cache/{path}")


def do(archive: Archive, path: str) -> Any:
    answer = archive.ask("POST", f"/frame-cache/{path}", headers=ACTION)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ended(archive: Archive, answer: dict[str, Any]) -> Any:
    """The job of an answer, when it has ended."""
    path = f"jobs/{answer['Job']}"
    wait_until(
        lambda: tell(archive, path)["State"] in ("done", "failed", "cancelled"), lambda: str(tell(archive, path))
    )
    return tell(archive, path)


@pytest.fixture(scope="module")
def stored(archive: Archive) -> list[Instance]:
    """Two series of one study, and one of another."""
    return [archive.store(sample) for sample in (SMALL, replace(SMALL, series_number=2), replace(SMALL, seed=1))]


def test_progress_is_told_at_each_level(archive: Archive, stored: list[Instance]) -> None:
    study, series = parent(archive, stored[0], "study"), parent(archive, stored[0], "series")
    archive.frames(stored[0], "1").raise_for_status()
    listed = tell(archive, f"studies?ids={study}%2C{series}")
    assert (listed["Total"], tell(archive, "studies?limit=1&sort=Bytes")["Total"]) == (1, 2)
    (row,) = listed["Studies"]
    assert (row["ID"], row["StudyInstanceUID"]) == (study, stored[0].study_instance_uid)
    assert (row["Series"], row["Instances"], row["Frames"], row["CachedFrames"]) == (2, 2, 6, 6)
    told = tell(archive, f"studies/{study}")
    assert {name: told[name] for name in row if name != "LastViewed"} == {
        name: row[name] for name in row if name != "LastViewed"
    }
    assert (told["StoredInstances"], sum(one["CachedFrames"] for one in told["SeriesList"])) == (2, 6)
    one = tell(archive, f"series/{series}")
    assert (one["StudyID"], one["SeriesInstanceUID"]) == (study, stored[0].series_instance_uid)
    assert (one["StoredInstances"], one["ExpectedInstances"], one["CachedInstances"]) == (1, None, 1)
    assert [i["SOPInstanceUID"] for i in one["InstancesList"]] == [stored[0].sop_instance_uid]
    instance = tell(archive, f"instances/{stored[0].orthanc_id}")
    assert (instance["StudyID"], instance["SeriesID"], instance["FailedFrames"]) == (study, series, [])
    assert instance["Bytes"] == one["Bytes"] == one["InstancesList"][0]["Bytes"] > 3 * 64 * 96


def test_a_study_is_purged_warmed_and_verified_and_a_damaged_block_dropped(
    archive: Archive, stored: list[Instance]
) -> None:
    study = f"studies/{parent(archive, stored[0], 'study')}"
    do(archive, f"{study}/purge")
    assert tell(archive, study)["CachedFrames"] == 0
    before = archive.cached_files()
    warmed = ended(archive, do(archive, f"{study}/warm"))
    assert (warmed["State"], warmed["Done"], warmed["Total"]) == ("done", 2, 2)
    assert (warmed["Result"]["Cached"], tell(archive, study)["CachedFrames"]) == (2, 6)
    (victim, _) = archive.cached_files() - before
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(content)
    verified = ended(archive, do(archive, f"{study}/verify"))
    assert (verified["Result"]["Blocks"], verified["Result"]["Damaged"]) == (2, 1)
    assert not victim.exists()
    for instance in stored[:2]:
        assert archive.parts(instance, "1,2,3") == archive.stock_parts(instance, "1,2,3")


def test_a_purge_while_it_is_cut_out_leaves_nothing(archive: Archive) -> None:
    instance = archive.store(LARGE, cached=False)
    path = f"instances/{instance.orthanc_id}"
    wait_until(lambda: tell(archive, path)["CachedFrames"] > 0, lambda: str(tell(archive, path)))
    do(archive, f"{path}/purge")
    wait_until(lambda: tell(archive, path)["State"] in ("skipped", "not cached"), lambda: str(tell(archive, path)))
    assert ended(archive, do(archive, f"{path}/warm"))["Result"]["Cached"] == 1
    assert tell(archive, path)["State"] == "cached"


def test_events_are_numbered_and_paged(archive: Archive, stored: list[Instance]) -> None:
    page = tell(archive, "events?limit=2")
    assert ([event["Sequence"] for event in page["Events"]], page["Done"]) == ([1, 2], False)
    events = tell(archive, f"events?since={page['Last']}&limit=1000")["Events"]
    assert {"cached", "purged", "job"} <= {event["Kind"] for event in events}
    assert stored[0].orthanc_id in {event["ID"] for event in [*page["Events"], *events]}


@pytest.mark.parametrize(
    "query", ["studies?limit=0", "studies?sort=size", "studies?Limit=1", "events?since=-1", "jobs?x=1"]
)
def test_wrong_arguments_are_refused_with_what_is_allowed(archive: Archive, query: str) -> None:
    answer = archive.get(f"/frame-cache/{query}")
    assert answer.status_code == 400
    assert any(word in answer.json()["Message"] for word in ("allowed is", "known"))
