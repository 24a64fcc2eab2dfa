"""Rules, in a real Orthanc: what they want is there before anybody asks, by modality and by who sent it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from framecache.cli.main import main

from dev.orthanc_server import free_port
from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import Archive, Endings, running, wait_until

pytestmark = pytest.mark.orthanc

MAMMOGRAPHY = Sample(frames=3, rows=64, columns=96)
ULTRASOUND = Sample(kind="ultrasound", frames=3, rows=64, columns=96, seed=1)
ACTION = {"X-Frame-Cache": "1"}


@pytest.fixture(scope="module")
def archive(suite: str, folder: Path, endings: Endings) -> Iterator[Archive]:
    """One that can send to itself as another: so an instance comes by C-STORE, with a sender."""
    port = free_port()
    configuration = {
        "FrameCache": {"Rules": [{"Modality": "MG"}, {"RemoteAET": "CATHLAB"}], "WarmStudy": "study"},
        "DicomServerEnabled": True,
        "DicomPort": port,
        "DicomAlwaysAllowStore": True,
        "DicomModalities": {"itself": ["ORTHANC", "127.0.0.1", port]},
    }
    with running(suite, folder / "orthanc", configuration, endings=endings) as archive:
        yield archive


def is_looked_at(archive: Archive, instance: Instance) -> bool:
    return bool(
        archive.status()["QueueLength"] == 0 and archive.progress(instance)["State"] not in ("queued", "running")
    )


def wait_for_job(archive: Archive, job_id: str) -> dict[str, Any]:
    wait_until(lambda: bool(archive.get_json(f"/frame-cache/jobs/{job_id}")["Ended"]))
    job: dict[str, Any] = archive.get_json(f"/frame-cache/jobs/{job_id}")
    assert (job["State"], job["Error"]) == ("done", None)
    return job


def test_only_what_a_rule_is_about_is_cached_as_it_arrives_and_all_else_when_a_viewer_asks(archive: Archive) -> None:
    left_alone = [archive.store(replace(ULTRASOUND, series_number=number), cached=False) for number in (1, 2)]
    archive.store(MAMMOGRAPHY)  # behind the others, and cached: so the others were looked at
    for one in left_alone:
        wait_until(lambda looked_at=one: is_looked_at(archive, looked_at))  # type: ignore[misc]
        assert archive.progress(one)["State"] == "not cached"

    # With "WarmStudy" the other one of its study comes along: a study that is opened is one that somebody asks for.
    assert archive.frames(left_alone[0], "1").headers["X-Frame-Cache"] == "miss"
    wait_until(lambda: all(archive.progress(one)["State"] == "cached" for one in left_alone))


def test_what_a_named_sender_sends_is_cached(archive: Archive) -> None:
    instance = archive.store(replace(ULTRASOUND, seed=2), cached=False)
    wait_until(lambda: is_looked_at(archive, instance))
    assert archive.progress(instance)["State"] == "not cached"
    for sender, is_cached in (("OTHER", False), ("CATHLAB", True)):
        archive.post("/modalities/itself/store", {"Resources": [instance.orthanc_id], "LocalAet": sender})
        assert archive.get_json(f"/instances/{instance.orthanc_id}/metadata?expand")["RemoteAET"] == sender
        if is_cached:
            archive.wait_until_cached(instance)
        else:
            wait_until(lambda: is_looked_at(archive, instance))
            assert archive.progress(instance)["State"] == "not cached"


def test_how_large_the_cache_has_to_be_is_told_by_the_rules(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FRAMECACHE_URL", archive.server.url)
    archive.store(replace(MAMMOGRAPHY, seed=4))
    assert main(["size", "--weeks", "520", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ByRules"]["BytesPerDay"] > 0


def test_a_dry_run_tells_what_rules_would_do_with_what_is_there(archive: Archive) -> None:
    instance = archive.store(replace(ULTRASOUND, seed=3), cached=False)
    archive.store(replace(MAMMOGRAPHY, seed=5))
    date = archive.get_json(f"/instances/{instance.orthanc_id}/simplified-tags")["StudyDate"]
    rules = [{"Modality": "US", "MinimumFrames": 3}, {"Modality": "CT"}]
    answer = archive.ask("POST", "/frame-cache/rules/preview", json={"Rules": rules, "Days": 36500}, headers=ACTION)
    result = wait_for_job(archive, answer.json()["Job"])["Result"]

    ultrasound, tomography, rest = result["Rules"]
    stored = archive.get_json("/statistics")
    assert result["Total"]["Instances"] == stored["CountInstances"] == ultrasound["Instances"] + rest["Instances"]
    assert result["Studies"] == stored["CountStudies"]
    assert result["FirstStudyDate"].replace("-", "") == date
    size = 3 * 64 * 96 * 3
    assert ultrasound["StoredBytes"] == pytest.approx(ultrasound["Instances"] * size, rel=0.01)
    assert ultrasound["CacheBytes"] == ultrasound["StoredBytes"]
    assert ultrasound["CPUSeconds"] is not None
    assert (ultrasound["Written"], tomography["Instances"], rest["Extract"]) == (rules[0], 0, "demand")
    assert result["DaysKept"] > 1


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"Rules": [{"Modality": "mg"}]}, 'rule 1 of "Rules": "Modality" is \'mg\'; allowed is a code such as "MG"'),
        ({"Rules": "MG"}, '"Rules" is'),
        ({"Days": 0}, "\"Days\" is '0'; allowed is a whole number from 1"),
        ({"days": 30}, 'unknown argument "days"'),
    ],
)
def test_wrong_rules_are_refused_with_what_is_allowed(archive: Archive, body: dict[str, Any], complaint: str) -> None:
    answer = archive.ask("POST", "/frame-cache/rules/preview", json=body, headers=ACTION)

    assert (answer.status_code, complaint in answer.json()["Message"]) == (400, True), answer.text
