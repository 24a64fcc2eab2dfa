"""Starting, stopping and being part of a site's own script."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import requests

from dev.console import CHECKOUT
from dev.sample import Sample
from tests.integration.archive import Archive, restart, running, stop, wait_until

pytestmark = pytest.mark.orthanc

SMALL = Sample(frames=4, rows=64, columns=96)
LONG_QUEUE = 10
STOP_SECONDS = 5.0

SITE_SCRIPT = """
import sys
sys.path.append({plugin!r})
import orthanc
from framecache import install

def on_change(change, level, resource):
    if change in (orthanc.ChangeType.NEW_INSTANCE, orthanc.ChangeType.ORTHANC_STARTED):
        with open({seen!r}, "a") as file:
            file.write(f"{{change == orthanc.ChangeType.NEW_INSTANCE}} {{resource}}\\n")

def greet(output, uri, **request):
    output.AnswerBuffer("hello", "text/plain")

orthanc.RegisterRestCallback("/site", greet)
install(orthanc, on_change)
"""


def test_orthanc_stops_within_5_seconds_with_a_full_queue_and_goes_on_afterwards(suite: str, tmp_path: Path) -> None:
    with running(suite, tmp_path, {"FrameCache": {"Workers": 1}}, in_order=False) as archive:
        with uploading(archive, replace(SMALL, frames=64)):
            wait_until(lambda: archive.status()["QueueLength"] >= LONG_QUEUE, lambda: str(archive.status()))
        assert archive.status()["QueueLength"] > 0
        assert stop(archive.server) < STOP_SECONDS
        archive.server.start()
        archive.wait_until_checked()
        instance = archive.store(SMALL)
        assert archive.frames(instance, "1,2,3,4").headers["X-Frame-Cache"] == "hit"


@contextmanager
def uploading(archive: Archive, sample: Sample) -> Iterator[None]:
    """Upload copies of `sample` under other UIDs meanwhile, faster than one worker takes them in.

    They end before Orthanc does: an upload during its end makes forky's Python plugin 7.1 abort behind everything
    else, with whatever script has an OnChange callback.
    """
    content = sample.write(archive.server.folder / "copied.dcm").read_bytes()
    ended = threading.Event()

    def upload(worker: int) -> None:
        for copy in range(1000):
            if ended.is_set():
                return
            uid = sample.sop_instance_uid
            other = f"{uid[:-6]}{worker}{copy:05}"
            archive.upload(content.replace(uid.encode(), other.encode()))

    with threads(*(partial(upload, worker) for worker in range(4))):
        try:
            yield
        finally:
            ended.set()


@contextmanager
def threads(*functions: Callable[[], None]) -> Iterator[None]:
    """Run them meanwhile, and wait for them."""
    with ThreadPoolExecutor(len(functions)) as pool:
        futures = [pool.submit(function) for function in functions]
        yield
        for future in futures:
            future.result()


def test_requests_during_the_stop_do_not_hold_it_up(suite: str, tmp_path: Path) -> None:
    """Orthanc tells the plugin of its end first, and goes on to answer requests for a while."""
    with running(suite, tmp_path, in_order=False) as archive:
        cached = archive.store(SMALL)
        single = archive.store(Sample(kind="mammogram", rows=64, columns=64, seed=1), cached=False)

        def ask_for(path: str) -> None:
            with suppress(requests.ConnectionError):
                while archive.get(path):
                    pass

        paths = (
            f"{cached.path}/frames/1",
            f"{single.path}/frames/1",
            f"/frame-cache/instances/{cached.orthanc_id}",
            "/frame-cache/status",
        )
        with threads(*(partial(ask_for, path) for path in paths)):
            hits = archive.status()["Hits"]
            wait_until(lambda: archive.status()["Hits"] > hits)
            assert stop(archive.server) < STOP_SECONDS


def test_orthanc_ends_in_order_after_work_and_after_none(suite: str, tmp_path: Path) -> None:
    """Finalizing Python has crashed Orthanc: once frames were served, and also when nothing was done at all."""
    with running(suite, tmp_path) as archive:
        instance = archive.store(SMALL)
        archive.frames(instance, "1")
        archive.frames(instance, "99")
        restart(archive)


def test_a_sites_own_script_chains_its_events_and_keeps_its_routes(suite: str, tmp_path: Path) -> None:
    seen, script = tmp_path / "seen.txt", tmp_path / "hospital.py"
    script.write_text(SITE_SCRIPT.format(plugin=str(CHECKOUT / "plugin"), seen=str(seen)))
    with running(suite, tmp_path / "orthanc", {"PythonScript": str(script)}) as archive:
        instance = archive.store(SMALL)
        assert archive.frames(instance, "1").headers["X-Frame-Cache"] == "hit"
        assert archive.get("/site").text == "hello"
        wait_until(lambda: f"True {instance.orthanc_id}\n" in seen.read_text(), seen.read_text)
        assert "False \n" in seen.read_text()


def test_a_sites_own_events_come_though_the_cache_stands_aside(suite: str, tmp_path: Path) -> None:
    seen, script = tmp_path / "seen.txt", tmp_path / "hospital.py"
    script.write_text(SITE_SCRIPT.format(plugin=str(CHECKOUT / "plugin"), seen=str(seen)))
    configuration = {"PythonScript": str(script), "FrameCache": {"Workers": "many"}}
    with running(suite, tmp_path / "orthanc", configuration) as archive:
        instance = archive.store(SMALL, cached=False)
        wait_until(lambda: seen.exists() and f"True {instance.orthanc_id}\n" in seen.read_text())
        assert archive.frames(instance, "1").status_code == 200


def test_after_a_power_cut_frames_are_hits_or_misses_but_right(suite: str, tmp_path: Path) -> None:
    with running(suite, tmp_path, in_order=False) as archive:
        instances = {seed: archive.store(replace(SMALL, seed=seed), cached=False) for seed in range(8)}
        archive.server.kill()
        archive.server.start()
        archive.wait_until_checked()
        for seed, instance in instances.items():
            wanted = [frame.tobytes() for frame in replace(SMALL, seed=seed).pixels()]
            assert [part.payload for part in archive.parts(instance, "1,2,3,4")] == wanted


def test_a_reset_of_orthanc_is_survived_again_and_again(suite: str, tmp_path: Path) -> None:
    """`/tools/reset` loads plugins, script and all anew, in the same process."""
    with running(suite, tmp_path) as archive:
        pid, instances = archive.server.pid, [archive.store(SMALL)]
        for seed in (1, 2):
            with uploading(archive, replace(SMALL, frames=64, seed=100 + seed)):
                wait_until(lambda: archive.status()["QueueLength"] > 0)
            reset(archive)
            assert archive.server.pid == pid
            instances.append(archive.store(replace(SMALL, seed=seed)))
            for instance in instances:
                assert archive.frames(instance, "1").headers["X-Frame-Cache"] == "hit"


def reset(archive: Archive) -> None:
    """Orthanc answers the request first, and for a while after that."""
    started = archive.log.count("Orthanc has started")
    archive.post("/tools/reset", {})
    wait_until(lambda: archive.log.count("Orthanc has started") > started or archive.server.process.poll() is not None)
    archive.wait_until_checked()
