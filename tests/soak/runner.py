"""One run: the clients, the sampler, and the faults."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import requests

from dev.orthanc_server import OrthancServer
from tests.integration.archive import CONFIGURATION, Archive, wait_until
from tests.soak import levels
from tests.soak.clients import Run
from tests.soak.levels import MIB, Level
from tests.soak.marked import FRAME_LENGTH, SAMPLE, Slot
from tests.soak.report import Result

SLOTS = 12
LIMIT = 24 * MIB  # half of what the slots hold
SECTION = {"MaximumSizeMB": LIMIT // MIB, "MaximumMemoryMB": 256}
# Who acts, and how many of them.
CLIENTS = {Run.read: 4, Run.read_whole: 1, Run.look: 1, Run.read_slowly: 3, Run.break_off: 1, Run.change: 2}
_SAMPLE_SECONDS, _RESTART_SECONDS = 5.0, 30.0


def soak(suite: str, folder: Path, seconds: float) -> Result:
    """Load and faults for so long: restarts and kills in the first half, one process in the second."""
    server = OrthancServer(suite, folder / "orthanc", {**CONFIGURATION, "FrameCache": SECTION})
    run = Run(server, [Slot(number, folder) for number in range(SLOTS)])
    found: list[Level] = []
    starts: Counter[str] = Counter()
    with server:
        Archive(server).wait_until_checked()
        with acting(run):
            begun = time.monotonic()
            every = min(_SAMPLE_SECONDS, seconds / 20)
            next_fault = min(_RESTART_SECONDS, seconds / 6)
            while (now := time.monotonic() - begun) < seconds:
                if next_fault < now < seconds / 2:
                    restart(run, starts)
                    next_fault = now + min(_RESTART_SECONDS, seconds / 6)
                found.append(levels.sample(now, run.starts, server.pid, folder / "orthanc/FrameCache"))
                run.ended.wait(every)
        at_the_end(run)
        server.kill()
    run.failures += levels.complaints(found, LIMIT + FRAME_LENGTH)
    return Result(suite, seconds / 60, os.cpu_count() or 1, LIMIT, dict(starts), dict(run.counts), found, run.failures)


@contextmanager
def acting(run: Run) -> Iterator[None]:
    acts = [partial(act, run) for act, count in CLIENTS.items() for _ in range(count)]
    threads = []
    for seed, act in enumerate(acts):
        act.__name__ = act.func.__name__  # type: ignore[attr-defined]
        threads.append(threading.Thread(target=run.forever, args=(act, seed)))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        run.ended.set()
        for thread in threads:
            thread.join()


def restart(run: Run, starts: Counter[str]) -> None:
    """In turn a kill -9, as a power cut for the process, and an ordinary end."""
    kind = "restarts" if starts["kills"] > starts["restarts"] else "kills"
    run.starts += 1
    if kind == "kills":
        run.server.kill()
    else:
        run.server.stop()
    run.server.start()
    run.starts += 1
    starts[kind] += 1


def at_the_end(run: Run) -> None:
    """Nobody asks any more: nothing may be in flight, and the last version of each instance comes whole."""
    archive = Archive(run.server)
    try:
        wait_until(lambda: archive.status()["BytesInFlight"] == 0, lambda: str(archive.status()))
        run.counts["errors that nobody meant"] = archive.status()["Errors"]
    except (AssertionError, requests.RequestException) as error:
        run.fail(f"at the end: {error}")
    if run.counts["errors that nobody meant"]:
        run.fail("the plugin met errors that nobody meant: Orthanc's log has them")
    if not run.counts["frames verified"] >= SAMPLE.frames:
        run.fail("nothing was verified")
