"""Cutting frames out: how long it takes, and what memory it needs."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import requests

from bench import client
from bench.figure import Figure, of_seconds
from bench.lab import Lab, fill, wait_until_cached
from bench.probe import Probe
from bench.probes.upload import even_the_odds, over_dicom
from bench.process import forget_peak, peak_bytes, resident_bytes, write_back
from bench.subject import COPY, Subject
from dev.orthanc_server import OrthancServer


def stored_to_warm(data_set: str) -> Probe:
    """From the end of the C-STORE until all frames are cached and on disk; for `cp`, the copy of the same file."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        path = lab.data[data_set].files(lab.places.samples)[0]
        if subject is COPY:
            return of_seconds([_copy(lab, path)])
        with lab.new_server(subject) as server:
            over_dicom(lab, server, [path])
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
    even_the_odds(path.stat().st_size)
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
        forget_peak(server.pid)
        client.get(server.url, stored.frame(1))
        wait_until_cached(server.url, stored.instance.orthanc_id)
        growth = (peak_bytes(server.pid) - before) / 1e6
        return Figure(growth, "MB", raw={"before": before, "growth": growth})

    return Probe(f"memory while pre-extracting, {data_set}", measure)
