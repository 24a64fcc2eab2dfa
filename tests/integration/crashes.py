"""`kill -9` at random moments of filling, evicting and serving: `crash` is one of them, with what has to hold after."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import requests

from dev.sample import Sample
from dev.upload import Instance
from tests.disk import disk_usage
from tests.integration.archive import Archive, instance_of, wait_until

# Together more than the cache holds, so that evictions go on all the time.
SAMPLES = tuple(Sample(frames=4, rows=400, columns=400, seed=seed) for seed in range(2000, 2020))
SECTION = {"FrameCache": {"MaximumSizeMB": 16, "Workers": 2}}
READERS = UPLOADERS = 2


@dataclass(frozen=True)
class Known:
    """One instance: its file, and its frames."""

    instance: Instance
    content: bytes
    frames: tuple[bytes, ...]


def store_all(archive: Archive, samples: Sequence[Sample] = SAMPLES) -> list[Known]:
    known = []
    for sample in samples:
        content = sample.write(archive.server.folder / "crash.dcm").read_bytes()
        instance = instance_of(sample, archive.upload(content))
        known.append(Known(instance, content, tuple(frame.tobytes() for frame in sample.pixels())))
    return known


def crash(archive: Archive, known: Sequence[Known], chance: random.Random) -> None:
    """Kill Orthanc at work and start it again. Raises AssertionError if anything is wrong then."""
    with at_work(archive, known, chance):
        threading.Event().wait(chance.uniform(0.05, 0.8))
        archive.server.kill()
    archive.server.start()
    archive.wait_until_checked()
    for one in chance.sample(known, 5):
        assert served(archive, one) == list(one.frames), archive.server.last_lines()
    wait_until(lambda: is_in_order(archive), lambda: str((archive.status(), disk_usage(cache_of(archive)))))


def served(archive: Archive, one: Known) -> list[bytes]:
    answer = archive.parts(one.instance, "1,2,3,4")
    return [part.payload for part in answer]


@contextmanager
def at_work(archive: Archive, known: Sequence[Known], chance: random.Random) -> Iterator[None]:
    """Uploads over what is there, which is cut out anew, and requests, until Orthanc is gone."""
    seeds = [chance.random() for _ in range(READERS + UPLOADERS)]
    with ThreadPoolExecutor(len(seeds)) as pool:
        work = [pool.submit(partial(upload, archive, known, random.Random(seed))) for seed in seeds[:UPLOADERS]]
        work += [pool.submit(partial(read, archive, known, random.Random(seed))) for seed in seeds[UPLOADERS:]]
        yield
        for future in work:
            future.result()


def upload(archive: Archive, known: Sequence[Known], chance: random.Random) -> None:
    with suppress(requests.RequestException):
        while True:
            archive.upload(chance.choice(known).content)


def read(archive: Archive, known: Sequence[Known], chance: random.Random) -> None:
    with suppress(requests.RequestException):
        while True:
            one, number = chance.choice(known), chance.randint(1, 4)
            answer = archive.parts(one.instance, str(number))
            assert [part.payload for part in answer] == [one.frames[number - 1]]


def is_in_order(archive: Archive) -> bool:
    """Files and rows are the same, nothing is left over, and the sizes that are told are true."""
    if archive.status()["QueueLength"]:
        return False
    folder = cache_of(archive)
    status, used = archive.status(), disk_usage(folder)
    return (
        used <= status["Bytes"] <= status["MaximumBytes"]
        and blocks_in(folder) == names_in(folder / "blocks-2" / "cache.db")
        and status["Degraded"] is None
    )


def blocks_in(folder: Path) -> set[str]:
    """The names of the files there; a folder that is removed meanwhile, as it is empty, has none."""
    return {name for _, _, names in os.walk(folder) for name in names if name.endswith(".block")}


def names_in(index: Path) -> set[str]:
    connection = sqlite3.connect(f"file:{index}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT filename FROM Cache WHERE filename NOT NULL").fetchall()
    finally:
        connection.close()
    return {Path(filename).name for (filename,) in rows}


def cache_of(archive: Archive) -> Path:
    return archive.server.folder / "FrameCache"
