"""Cutting frames out: how long it takes, what memory it needs, and what it costs others."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import requests

from bench import client
from bench.client import NotAvailable
from bench.figure import Figure, of_load, of_seconds
from bench.lab import Lab, fill, wait_until_cached
from bench.load import load
from bench.probe import Probe
from bench.process import drop_pages, resident_bytes, touch_memory, write_back
from bench.subject import COPY, Subject
from dev.orthanc_server import OrthancServer
from dev.upload import progress

SAMPLE_SECONDS = 0.01
MEMORY_TOUCHED = 4  # × the file: received, parsed, stored, cut out


def stored_to_warm(data_set: str) -> Probe:
    """From the end of the upload until all frames are cached and on disk; for `cp`, the copy of the same file."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        path = lab.data[data_set].files(lab.places.samples)[0]
        if subject is COPY:
            return of_seconds([_copy(lab, path)])
        with lab.new_server(subject) as server:
            _post_all(server, [path.read_bytes()])
            started = time.monotonic()
            wait_until_cached(server.url, _newest(server))
            write_back(server.folder / "FrameCache")
            return of_seconds([time.monotonic() - started])

    return Probe(f"stored to warm, {data_set}", measure)


def _newest(server: OrthancServer) -> str:
    """The Orthanc ID of the only instance there is."""
    (orthanc_id,) = requests.get(f"{server.url}/instances", timeout=60).json()
    return str(orthanc_id)


def _copy(lab: Lab, path: Path) -> float:
    folder = lab.places.temporary / "copy"
    folder.mkdir(parents=True, exist_ok=True)
    os.sync()  # what others wrote before is not counted
    touch_memory(MEMORY_TOUCHED * path.stat().st_size)
    started = time.monotonic()
    subprocess.run(["cp", str(path), str(folder / "copy")], check=True)
    write_back(folder)
    seconds = time.monotonic() - started
    shutil.rmtree(folder)
    return seconds


def memory(data_set: str) -> Probe:
    """By how much Orthanc's memory grows while it cuts out an instance, at most."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        server, stored = lab.emptied(subject), lab.stored(data_set)[0]
        fill(server.url, lab.stored("mammogram")[0])  # what the first request and the first filling need is not counted
        before = resident_bytes(server.pid)
        watch = _Watch(server.pid)
        client.get(server.url, stored.frame(1))
        wait_until_cached(server.url, stored.instance.orthanc_id)
        growth = (watch.stop() - before) / 1e6
        return Figure(growth, "MB", raw={"before": before, "growth": growth})

    return Probe(f"memory while pre-extracting, {data_set}", measure)


class _Watch:
    """The most memory of a process between the start and `stop`."""

    def __init__(self, pid: int) -> None:
        self._pid, self._most, self._end = pid, 0, threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while not self._end.wait(SAMPLE_SECONDS):
            self._most = max(self._most, resident_bytes(self._pid))

    def stop(self) -> int:
        """End, and return the bytes."""
        self._end.set()
        self._thread.join()
        return self._most


def latency_while_filling(data_set: str) -> Probe:
    """One client on cached frames while the other instances of the data set are cut out."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        server = lab.emptied(subject)
        first, *others = lab.stored(data_set)
        client.get(server.url, first.frame(1))
        wait_until_cached(server.url, first.instance.orthanc_id)
        drop_pages(lab.archive.storage)
        for other in others:
            client.get(server.url, other.frame(1))
        figures = of_load(load(lab.tools, server.url, first.frames, connections=1, seconds=1))
        running = not all(progress(server.url, one.instance.orthanc_id).state == "cached" for one in others)
        for other in others:
            wait_until_cached(server.url, other.instance.orthanc_id)
        if figures.median is None or not running:
            raise NotAvailable("the pre-extraction ended before the measurement")
        return replace(figures, value=figures.median, unit="s")

    return Probe(f"one client while pre-extracting, {data_set}", measure)


def upload(data_set: str) -> Probe:
    """Uploading the whole data set over one connection, into an empty Orthanc."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        files = lab.data[data_set].files(lab.places.samples)
        bodies = [path.read_bytes() for path in files[: 1 if data_set == "native" else None]]
        with lab.new_server(subject) as server:
            return of_seconds([_post_all(server, bodies)])

    return Probe(f"upload, {data_set}", measure)


def _post_all(server: OrthancServer, bodies: list[bytes]) -> float:
    os.sync()
    touch_memory(MEMORY_TOUCHED * max(map(len, bodies)))
    started = time.monotonic()
    connection = client.Client(server.url)
    try:
        for body in bodies:
            connection.post("/instances", body)
    finally:
        connection.close()
    return time.monotonic() - started
