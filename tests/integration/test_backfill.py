"""What was in the archive before the plugin is brought in newest first, behind viewers, and goes on after a crash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dev import data_set
from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import Archive, instance_of, running, stop, wait_until

pytestmark = pytest.mark.orthanc

SMALL = Sample(frames=4, rows=64, columns=96)
DATE = data_set.DATE.encode()
# Stored in another order than that of their dates; the last has none.
DATES = (b"20200301", b"20260101", b"20241231", b"20260102", b"19991231", b"        ")
NEWEST_FIRST = (3, 1, 2, 0, 4, 5)
OFF = {"FrameCache": {"Enable": False}}
# Of 50 kB each, so four in about three seconds.
SLOW = {"Backfill": True, "BackfillMBPerSecond": 0.06, "Priors": 1, "Rules": [{"Modality": "MG"}]}
ACTION = {"X-Frame-Cache": "1"}


def put(archive: Archive, seed: int, study_date: bytes) -> Instance:
    sample = replace(SMALL, seed=seed)
    content = sample.write(archive.server.folder / "dated.dcm").read_bytes()
    assert DATE in content
    return instance_of(sample, archive.upload(content.replace(DATE, study_date)))


@pytest.fixture(scope="module")
def old(suite: str, folder: Path) -> Iterator[tuple[Archive, list[Instance]]]:
    """An archive that the plugin finds, and what is in it by the order of its coming."""
    with running(suite, folder, OFF, in_order=False) as archive:
        stored = [put(archive, seed, day) for seed, day in enumerate(DATES)]
        stop(archive.server)
    with running(suite, folder, {"FrameCache": SLOW}, in_order=False) as archive:
        yield archive, stored


def told(archive: Archive) -> dict[str, Any]:
    answer: dict[str, Any] = archive.get_json("/frame-cache/backfill")
    return answer


def cached(archive: Archive, instances: list[Instance]) -> list[bool]:
    return [archive.progress(one)["State"] == "cached" for one in instances]


def act(archive: Archive, action: str) -> str:
    answer = archive.ask("POST", f"/frame-cache/backfill/{action}", headers=ACTION)
    answer.raise_for_status()
    return str(answer.json()["State"])


def test_it_goes_on_after_a_crash_newest_first_behind_viewers_and_new_studies_bring_their_priors(
    old: tuple[Archive, list[Instance]],
) -> None:
    archive, stored = old
    in_turn = [stored[place] for place in NEWEST_FIRST]
    wait_until(lambda: told(archive)["CachedInstances"] >= 2, lambda: str(told(archive)))
    assert cached(archive, in_turn)[:2] == [True, True]
    assert cached(archive, in_turn)[4:] == [False, False]
    job = archive.get_json("/frame-cache/jobs")["Jobs"][0]
    assert (job["Kind"], job["State"], job["Total"]) == ("backfill", "running", len(stored))

    assert act(archive, "pause") == "paused"
    archive.server.kill()
    archive.server.start()
    archive.wait_until_checked()
    # A prior of what arrives now is the newest of the studies before it, of which none is cached.
    new = put(archive, 50, b"20200401")
    last = in_turn[5]
    assert archive.frames(last, "1").headers["X-Frame-Cache"] == "miss"
    archive.wait_until_cached(last)
    archive.wait_until_cached(new)
    archive.wait_until_cached(in_turn[3])
    assert (told(archive)["State"], cached(archive, in_turn)[3:]) == ("paused", [True, False, True])

    assert act(archive, "start") == "running"
    wait_until(lambda: told(archive)["State"] == "done", lambda: str(told(archive)))
    assert all(cached(archive, in_turn))
    written = [max(path.stat().st_mtime for path in files_of(archive, in_turn[place])) for place in (0, 1, 2, 4)]
    assert written == sorted(written)
    done = told(archive)
    assert len(stored) <= done["CachedInstances"] <= len(stored) + 2  # what was not noted is looked at once more
    assert (done["SecondsLeft"], archive.status()["Failures"]) == (0, 0)


def files_of(archive: Archive, instance: Instance) -> set[Path]:
    info = archive.get_json(f"/instances/{instance.orthanc_id}/attachments/dicom/info")
    return {path for path in archive.cached_files() if info["Uuid"] in str(path)}
