"""One run: the clients, the sampler, and the faults."""

from __future__ import annotations

import os
import random
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
from tests.integration.crashes import is_in_order
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
KILLS_A_MINUTE = 5  # over the whole run: a hundred in 20 minutes
_SAMPLE_SECONDS = 5.0
_KILLS_FOR_A_RESTART = 10


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
            faults = planned_faults(seconds, random.Random(suite))
            while (now := time.monotonic() - begun) < seconds:
                while faults and faults[0][0] < now + every:
                    at, kind = faults.pop(0)
                    run.ended.wait(max(0.0, begun + at - time.monotonic()))
                    restart(run, kind)
                    starts[kind] += 1
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


def planned_faults(seconds: float, chance: random.Random) -> list[tuple[float, str]]:
    """When in the first half of the run Orthanc is killed, and at times ended in order."""
    kills = max(1, round(KILLS_A_MINUTE * seconds / 60))
    kinds = ["kills"] * kills + ["restarts"] * max(1, kills // _KILLS_FOR_A_RESTART)
    chance.shuffle(kinds)
    moments = sorted(chance.uniform(0.05, 0.5) * seconds for _ in kinds)
    return list(zip(moments, kinds, strict=True))


def restart(run: Run, kind: str) -> None:
    """A kill -9, as a power cut for the process, or an ordinary end; one that does not start again is a fault."""
    run.starts += 1
    if kind == "kills":
        run.server.kill()
    else:
        run.server.stop()
    run.server.start()
    run.starts += 1


def at_the_end(run: Run) -> None:
    """Nobody asks any more: nothing may be in flight, and after all the kills files and index are the same."""
    archive = Archive(run.server)
    try:
        wait_until(lambda: archive.status()["BytesInFlight"] == 0, lambda: str(archive.status()))
        wait_until(lambda: is_in_order(archive), lambda: f"the cache is not in order: {archive.status()}")
        run.counts["errors that nobody meant"] = archive.status()["Errors"]
    except (AssertionError, requests.RequestException) as error:
        run.fail(f"at the end: {error}")
    if run.counts["errors that nobody meant"]:
        run.fail("the plugin met errors that nobody meant: Orthanc's log has them")
    if not run.counts["frames verified"] >= SAMPLE.frames:
        run.fail("nothing was verified")
