"""The database that nodes share is away for a while: Orthanc serves on, shared work waits, and goes on by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dev.postgresql import Postgresql
from dev.sample import Sample
from tests.integration.archive import Archive, running, wait_until

pytestmark = [pytest.mark.orthanc, pytest.mark.slow]

SAMPLE = Sample(frames=40, rows=64, columns=96)  # 0.5 MB, so that a rate of 1 MB/s takes some seconds for all
ACTION = {"X-Frame-Cache": "1"}


@pytest.fixture
def postgresql() -> Iterator[Postgresql]:
    with Postgresql("forky") as started:
        yield started


def metric(archive: Archive, name: str) -> float:
    (line,) = [line for line in archive.get("/frame-cache/metrics").text.splitlines() if line.startswith(name)]
    return float(line.split()[-1])


def shared(archive: Archive) -> dict[str, Any]:
    return dict(archive.status()["Cluster"])


def act(archive: Archive, path: str) -> int:
    return archive.ask("POST", f"/frame-cache/{path}", headers=ACTION).status_code


def test_a_shared_database_that_does_not_answer_holds_up_only_shared_work(
    tmp_path: Path, postgresql: Postgresql
) -> None:
    settings = {"Cluster": postgresql.dsn, "BackfillMBPerSecond": 1}
    configuration = {"Name": 'one of "two"', "FrameCache": settings}
    with running("forky", tmp_path, configuration, in_order=False) as archive:
        instances = [archive.store(replace(SAMPLE, seed=seed)) for seed in range(6)]
        for study in archive.get_json("/studies"):
            assert act(archive, f"studies/{study}/purge") == 200
        wait_until(lambda: not archive.cached_files())
        assert act(archive, "backfill/start") == 200
        wait_until(lambda: archive.get_json("/frame-cache/backfill")["Done"] > 0)
        assert (shared(archive)["Fault"], metric(archive, "frame_cache_cluster_unreachable")) == (None, 0)
        assert shared(archive)["Node"].startswith('one of "two"@')
        assert 'frame_cache_serving{node="one of \\"two\\"@' in archive.get("/frame-cache/metrics").text

        postgresql.stop()
        wait_until(lambda: shared(archive)["Fault"] is not None)
        assert metric(archive, "frame_cache_cluster_unreachable") == 1
        new = archive.store(replace(SAMPLE, seed=6))
        assert archive.frames(new, "1").headers["X-Frame-Cache"] == "hit"
        archive.frames(instances[-1], "1").raise_for_status()
        assert act(archive, "backfill/start") == 503
        assert "following the shared backfill failed: the shared database: " in archive.log

        postgresql.start()
        wait_until(lambda: shared(archive)["Fault"] is None)
        wait_until(
            lambda: archive.get_json("/frame-cache/backfill")["State"] == "done", lambda: str(shared(archive)["Pieces"])
        )
        for instance in instances:
            assert archive.progress(instance)["State"] == "cached"
        (counts,) = shared(archive)["Pieces"]
        assert (counts["Waiting"], counts["AtWork"], counts["Failed"]) == (0, 0, 0)
