"""What happened while the plugin was off, what waited when Orthanc was killed, and another state of the database."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import Archive, running, stop, wait_until

pytestmark = pytest.mark.orthanc

SMALL = Sample(frames=4, rows=64, columns=96)
OFF = {"FrameCache": {"Enable": False}}
LONG_QUEUE = 10


def with_other_pixels(sample: Sample) -> Sample:
    return replace(sample, rows=sample.columns, columns=sample.rows)


def cached(archive: Archive, sample: Sample) -> tuple[Instance, set[Path]]:
    """Store an instance; its files in the cache."""
    before = archive.cached_files()
    return archive.store(sample), archive.cached_files() - before


def test_what_happened_while_the_plugin_was_off_is_caught_up(suite: str, tmp_path: Path) -> None:
    samples = [replace(SMALL, seed=seed) for seed in range(5)]
    with running(suite, tmp_path, in_order=False) as archive:
        (deleted, deleted_files), (overwritten, old_files), (compressed, compressed_files), (untouched, files) = (
            cached(archive, sample) for sample in samples[:4]
        )
        stop(archive.server)
    with running(suite, tmp_path, OFF, in_order=False) as archive:
        stored = archive.store(samples[4], cached=False)
        assert archive.store(with_other_pixels(samples[1]), cached=False) == overwritten
        archive.post(f"/instances/{compressed.orthanc_id}/attachments/dicom/compress", {})
        archive.delete(f"/instances/{deleted.orthanc_id}")
    with running(suite, tmp_path, in_order=False) as archive:
        for instance in (stored, overwritten):
            archive.wait_until_cached(instance)
            answer = archive.frames(instance, "1,2,3,4")
            assert answer.headers["X-Frame-Cache"] == "hit"
            assert archive.parts(instance, "1,2,3,4") == archive.stock_parts(instance, "1,2,3,4")
        gone = deleted_files | old_files | compressed_files
        wait_until(lambda: gone.isdisjoint(archive.cached_files()), lambda: str(gone & archive.cached_files()))
        assert files <= archive.cached_files()
        assert archive.frames(untouched, "1").headers["X-Frame-Cache"] == "hit"
        assert archive.frames(deleted, "1").status_code == 404


@contextmanager
def burst(archive: Archive, sample: Sample) -> Iterator[None]:
    """Store copies of `sample` under UIDs of their own, faster than one worker takes them in, until Orthanc ends."""
    content, uid = sample.write(archive.server.folder / "copied.dcm").read_bytes(), sample.sop_instance_uid

    def upload(client: int) -> None:
        with suppress(requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            for copy in range(1000):
                archive.upload(content.replace(uid.encode(), f"{uid[:-6]}{client}{copy:05}".encode()))

    with ThreadPoolExecutor(4) as pool:
        ended = [pool.submit(upload, client) for client in range(4)]
        yield
        for future in ended:
            future.result()


def test_what_waited_when_orthanc_was_killed_is_cached_after_the_next_start(suite: str, tmp_path: Path) -> None:
    with running(suite, tmp_path, {"FrameCache": {"Workers": 1}}, in_order=False) as archive:
        with burst(archive, replace(SMALL, frames=64)):
            wait_until(lambda: archive.status()["QueueLength"] >= LONG_QUEUE and noted(archive) > 0)
            done = archive.status()["ExtractedInstances"]
            archive.server.kill()
        archive.server.start()
        archive.wait_until_checked()
        stored = archive.get_json("/instances")
        assert len(stored) >= done + LONG_QUEUE
        for orthanc_id in stored:
            wait_until(lambda known=orthanc_id: state(archive, known) == "cached")  # type: ignore[misc]
        status = archive.status()
        assert (status["Failures"], status["ExtractedInstances"] < len(stored)) == (0, done > 0)


def noted(archive: Archive) -> int:
    """The change up to which all is written down as done; 0 before the first note."""
    (database,) = (archive.server.folder / "FrameCache").glob("*/cache.db")
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as index:
        row = index.execute("SELECT value FROM Cache WHERE key = 'n/changes'").fetchone()
    return int(row[0]) if row else 0


def state(archive: Archive, orthanc_id: str) -> str:
    return str(archive.get_json(f"/frame-cache/instances/{orthanc_id}")["State"])


def test_an_older_copy_of_the_database_is_taken_as_it_is(suite: str, tmp_path: Path) -> None:
    folder, backup = tmp_path / "orthanc", tmp_path / "backup"
    with running(suite, folder, in_order=False) as archive:
        kept, kept_files = cached(archive, replace(SMALL, seed=30))
        stop(archive.server)
        shutil.copytree(folder / "storage", backup)
        archive.server.start()
        archive.wait_until_checked()
        lost, lost_files = cached(archive, replace(SMALL, seed=31))
        stop(archive.server)
        shutil.rmtree(folder / "storage")
        backup.rename(folder / "storage")
        archive.server.start()
        archive.wait_until_checked()
        assert archive.frames(lost, "1").status_code == 404
        assert archive.frames(kept, "1").headers["X-Frame-Cache"] == "hit"
        wait_until(lambda: lost_files.isdisjoint(archive.cached_files()))
        assert kept_files <= archive.cached_files()
        archive.store(replace(SMALL, seed=32))
        assert archive.store(replace(SMALL, seed=31)) == lost


def test_the_archive_from_before_the_plugin_is_left_alone_until_it_is_warmed(suite: str, tmp_path: Path) -> None:
    with running(suite, tmp_path, OFF, in_order=False) as archive:
        old = [archive.store(replace(SMALL, seed=seed), cached=False) for seed in range(40, 43)]
    with running(suite, tmp_path, in_order=False) as archive:
        archive.store(replace(SMALL, seed=49))
        assert [archive.progress(instance)["State"] for instance in old] == ["not cached"] * 3
        for level, instance in zip(("instances", "series", "studies"), old, strict=True):
            answer = warm(archive, level, resource_of(archive, instance, level))
            assert (answer["Instances"], answer["Queued"]) == (1, 1)
            archive.wait_until_cached(instance)


def warm(archive: Archive, level: str, orthanc_id: str) -> dict[str, int]:
    answer = archive.ask("POST", f"/frame-cache/{level}/{orthanc_id}/warm", headers={"X-Frame-Cache": "1"})
    answer.raise_for_status()
    told: dict[str, int] = answer.json()
    return told


def resource_of(archive: Archive, instance: Instance, level: str) -> str:
    if level == "instances":
        return instance.orthanc_id
    identifier: str = archive.get_json(f"/instances/{instance.orthanc_id}/{'study' if level == 'studies' else level}")[
        "ID"
    ]
    return identifier


def test_what_arrived_is_cached_though_the_log_of_changes_is_emptied_at_once(suite: str, tmp_path: Path) -> None:
    with running(suite, tmp_path, in_order=False) as archive:
        instances = []
        for seed in range(8):
            instances.append(archive.store(replace(SMALL, seed=seed), cached=False))
            archive.delete("/changes")
        assert archive.get_json("/changes")["Changes"] == []
        for instance in instances:
            archive.wait_until_cached(instance)
        last = archive.store(replace(SMALL, seed=20), cached=False)
        archive.wait_until_cached(last)
