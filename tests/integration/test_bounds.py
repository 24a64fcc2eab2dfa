"""The folder never outgrows its limit, as du counts it, and what is being read stays in it, whatever else arrives."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dev.sample import Sample
from dev.upload import FINAL_STATES, Instance
from tests.disk import disk_usage
from tests.integration.archive import Archive, instance_of, running, wait_until
from tests.integration.crashes import cache_of

pytestmark = pytest.mark.orthanc

LIMIT = 16 << 20
SECTION = {"FrameCache": {"MaximumSizeMB": LIMIT >> 20, "Workers": 4}}
ATTEMPTS = 40
AT_WORK = ("queued", "running")
SMALL = Sample(frames=8, rows=400, columns=400, seed=3000)
FRAME = SMALL.rows * SMALL.columns * 2
FLOOD = [replace(SMALL, seed=seed) for seed in range(3001, 3019)]  # 46 MB
LARGE = replace(SMALL, frames=60, seed=3100)  # 19 MB
HALF = replace(SMALL, frames=30, seed=3101)  # 9.6 MB: of two of them the cache has room for one


@pytest.fixture(scope="module")
def archive(suite: str, folder: Path) -> Iterator[Archive]:
    with running(suite, folder / "orthanc", SECTION, in_order=False) as archive:
        yield archive


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """The folder never holds more than it may; it has to come near it, or this shows nothing."""
    ended, sizes = threading.Event(), [0]

    def watch() -> None:
        while not ended.wait(0.02):
            sizes.append(disk_usage(folder))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
    assert LIMIT * 0.7 < max(sizes) <= LIMIT + FRAME


def is_at_work(archive: Archive, instance: Instance) -> bool:
    return archive.progress(instance)["State"] in AT_WORK


def test_a_flood_of_new_studies_does_not_push_out_what_is_being_read(archive: Archive) -> None:
    instance, ended = archive.store(SMALL), threading.Event()
    path = archive.server.folder / "flood.dcm"
    files = [sample.write(path).read_bytes() for sample in FLOOD]

    def read() -> set[str]:
        found = set()
        while not ended.wait(0.02):
            found.add(archive.frames(instance, "1,5").headers["X-Frame-Cache"])
        return found

    with ThreadPoolExecutor(5) as pool, watched(cache_of(archive)):
        reading = pool.submit(read)
        ended.wait(2.0)  # accesses are written down once a second
        ids = list(pool.map(archive.upload, files))
        flood = [instance_of(one, name) for one, name in zip(FLOOD, ids, strict=True)]
        try:
            wait_until(
                lambda: archive.status()["QueueLength"] == 0 and not any(is_at_work(archive, one) for one in flood)
            )
        finally:
            ended.set()
        assert reading.result() == {"hit"}
    kept = [archive.progress(one)["CachedFrames"] for one in flood]
    assert set(kept) == {0, SMALL.frames}  # instances go whole
    assert archive.status()["Bytes"] <= LIMIT


def test_an_instance_larger_than_the_cache_is_served_and_not_cached(archive: Archive) -> None:
    known = archive.store(SMALL)
    large = archive.store(LARGE, cached=False)
    wait_until(lambda: archive.progress(large)["State"] == "skipped", lambda: str(archive.progress(large)))
    assert "larger than the cache" in archive.progress(large)["LastError"]
    answer = archive.frames(large, "1,30,60")
    assert (answer.status_code, answer.headers["X-Frame-Cache"]) == (200, "miss")
    assert archive.parts(large, "1,30,60") == archive.stock_parts(large, "1,30,60")
    assert archive.progress(large)["CachedFrames"] == 0
    assert archive.frames(known, "1,8").headers["X-Frame-Cache"] == "hit"


def whole_or_nothing(archive: Archive, pair: Sequence[Instance]) -> list[dict[str, Any]]:
    """How far the two are, as soon as one has ended; of neither a part is there."""
    found: list[dict[str, Any]] = []

    def settled() -> bool:
        found[:] = [archive.progress(one) for one in pair]
        has_ended = any(one["State"] in FINAL_STATES for one in found)
        are_whole = {one["CachedFrames"] for one in found} <= {0, HALF.frames}
        return has_ended and are_whole and not any(one["State"] in AT_WORK for one in found)

    wait_until(settled, lambda: str(found))
    return found


def test_an_instance_that_is_evicted_while_it_is_cut_out_goes_whole(archive: Archive) -> None:
    """Two at once, of which there is room for one."""
    path = archive.server.folder / "half.dcm"
    for attempt in range(ATTEMPTS):
        samples = [replace(HALF, seed=HALF.seed + 2 * attempt + one) for one in range(2)]
        files = [sample.write(path).read_bytes() for sample in samples]
        with ThreadPoolExecutor(2) as pool:
            pair = [instance_of(*one) for one in zip(samples, pool.map(archive.upload, files), strict=True)]
        found = whole_or_nothing(archive, pair)
        if any("evicted during extraction: " in (one["LastError"] or "") for one in found):
            break
    else:
        pytest.fail("no fill was evicted by another")
    assert len(archive.parts(pair[0], "1,30")) == 2


def test_what_does_not_fit_beside_a_pinned_study_is_served_and_not_cached(archive: Archive) -> None:
    pinned, other = archive.store(replace(SMALL, frames=20, seed=3200)), replace(SMALL, frames=40, seed=3201)
    study = f"/frame-cache/studies/{archive.get_json(f'/instances/{pinned.orthanc_id}/study')['ID']}"
    archive.ask("POST", f"{study}/pin", headers={"X-Frame-Cache": "1"}).raise_for_status()
    instance = archive.store(other, cached=False)
    wait_until(lambda: archive.progress(instance)["State"] == "skipped", lambda: str(archive.progress(instance)))
    found = archive.progress(instance)
    assert (found["LastError"], found["CachedFrames"]) == ("the instance does not fit into the cache", 0)
    assert archive.frames(instance, "1,40").headers["X-Frame-Cache"] == "miss"
    assert archive.frames(pinned, "1,20").headers["X-Frame-Cache"] == "hit"
    archive.ask("POST", f"{study}/unpin", headers={"X-Frame-Cache": "1"}).raise_for_status()
    warm = f"/frame-cache/instances/{instance.orthanc_id}/warm"
    archive.ask("POST", warm, headers={"X-Frame-Cache": "1"}).raise_for_status()
    wait_until(lambda: archive.progress(instance)["State"] == "cached", lambda: str(archive.progress(instance)))
