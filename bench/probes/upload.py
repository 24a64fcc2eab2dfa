"""Sending instances into an empty Orthanc."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import client
from bench.c_store import send
from bench.figure import Figure, of_seconds
from bench.lab import Lab
from bench.probe import Probe
from bench.process import touch_memory
from bench.subject import Subject
from dev.orthanc_server import OrthancServer

MEMORY_TOUCHED = 4  # × the file: received, parsed, stored, cut out


def upload(data_set: str, way: str) -> Probe:
    """Sending the data set in one of the WAYS; of several large instances the first one."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        files = lab.data[data_set].files(lab.places.samples)
        with lab.new_server(subject) as server:
            return of_seconds([WAYS[way](lab, server, files[: 1 if data_set == "native" else None])])

    return Probe(f"upload by {way}, {data_set}", measure, patience=3)


def over_rest(_lab: Lab, server: OrthancServer, paths: Sequence[Path]) -> float:
    """Seconds to post the files over one connection."""
    bodies = [path.read_bytes() for path in paths]
    even_the_odds(max(map(len, bodies)))
    started = time.monotonic()
    connection = client.Client(server.url)
    try:
        for body in bodies:
            connection.post("/instances", body)
    finally:
        connection.close()
    return time.monotonic() - started


def over_dicom(lab: Lab, _server: OrthancServer, paths: Sequence[Path]) -> float:
    """Seconds to send the files over one association."""
    even_the_odds(max(path.stat().st_size for path in paths))
    started = time.monotonic()
    send(lab.tools, lab.dicom_port, paths)
    return time.monotonic() - started


WAYS: dict[str, Callable[[Lab, OrthancServer, Sequence[Path]], float]] = {"C-STORE": over_dicom, "REST": over_rest}


def even_the_odds(size: int) -> None:
    """Nobody pays for what others wrote before, or for being the first to use so much memory."""
    os.sync()
    touch_memory(MEMORY_TOUCHED * size)
