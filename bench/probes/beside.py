"""One client on cached frames while something else goes on."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import requests

from bench import client
from bench.archive import Stored, store
from bench.client import NotAvailable
from bench.figure import Figure, of_load
from bench.lab import Lab, wait_until_cached
from bench.load import load
from bench.probe import Probe
from bench.probes.warm import median_of_one
from bench.process import drop_pages
from bench.subject import FRAMECACHE, HOUSEKEEPER, Subject
from dev.console import CHECKOUT
from dev.orthanc_server import OrthancServer
from dev.upload import progress

SLOW_READERS = 20
SLOW_BYTES_PER_SECOND = 1_000_000
HOUSEKEEPER_SECONDS = 30.0  # until it begins


def slow_readers(data_set: str) -> Probe:
    """Twenty others read slowly."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        url, paths = lab.target(subject, FRAMECACHE, data_set)
        with _slow_readers(url, paths[-1]):
            return median_of_one(lab, subject, url, paths)

    return Probe(f"one client beside {SLOW_READERS} slow readers, {data_set}", measure)


@contextmanager
def _slow_readers(url: str, path: str) -> Iterator[None]:
    """Twenty clients in a process of their own that read 1 MB/s each; for as long as the block runs."""
    command = [sys.executable, "-m", "bench.slow_readers", url, path, str(SLOW_READERS), str(SLOW_BYTES_PER_SECOND)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE) as process:
        try:
            if process.stdout is None or process.stdout.readline() != b"reading\n":
                raise NotAvailable("the slow readers did not start")
            yield
            if process.poll() is not None:
                raise NotAvailable("the slow readers ended early")
        finally:
            process.terminate()


def filling(data_set: str) -> Probe:
    """The other instances of the data set are cut out."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        server = lab.emptied(subject)
        first, *others = lab.stored(data_set)
        client.get(server.url, first.frame(1))
        wait_until_cached(server.url, first.instance.orthanc_id)
        drop_pages(lab.archive.storage)
        for other in others:
            client.get(server.url, other.frame(1))
        figure = _median(lab, server, first)
        running = not all(progress(server.url, one.instance.orthanc_id).state == "cached" for one in others)
        for other in others:
            wait_until_cached(server.url, other.instance.orthanc_id)
        if not running:
            raise NotAvailable("the pre-extraction ended before the measurement")
        return figure

    return Probe(f"one client while pre-extracting, {data_set}", measure)


def housekeeper(data_set: str) -> Probe:
    """Orthanc's Housekeeper plugin writes all stored files anew, compressed now; in an Orthanc of their own."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        files = lab.data[data_set].files(lab.places.samples)[:2]
        with lab.new_server(subject) as server:
            first, second = store(server.url, files)
            for one in (first, second):
                wait_until_cached(server.url, one.instance.orthanc_id)
            server.stop()
            with lab.server_on(server.folder, HOUSEKEEPER) as kept:
                _wait_for_housekeeper(kept)
                figure = _median(lab, kept, first)
                running = _is_housekeeping(kept)
                kept.kill()
        if not running:
            raise NotAvailable("the Housekeeper ended before the measurement")
        return figure

    return Probe(f"one client while the Housekeeper runs, {data_set}", measure)


def _median(lab: Lab, server: OrthancServer, stored: Stored) -> Figure:
    """As long as a short load runs: what goes on beside it ends soon."""
    if (answer := client.get(server.url, stored.frame(1))).frame_cache != "hit":
        raise NotAvailable(f"not answered from the cache ({answer.frame_cache})")
    figure = of_load(load(lab.tools, server.url, stored.frames, connections=1, seconds=1))
    return replace(figure, value=figure.median or 0.0, unit="s")


def _wait_for_housekeeper(server: OrthancServer) -> None:
    deadline = time.monotonic() + HOUSEKEEPER_SECONDS
    while not _is_housekeeping(server):
        if time.monotonic() > deadline:
            raise NotAvailable("the Housekeeper did not begin")
        time.sleep(0.1)


def _is_housekeeping(server: OrthancServer) -> bool:
    """Between beginning and end there is a last change that it has to look at."""
    status = requests.get(f"{server.url}/housekeeper/status", timeout=60)
    status.raise_for_status()
    return int(status.json()["LastChangeToProcess"]) > 0
