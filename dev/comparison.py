"""The same frame from Orthanc's own DICOMweb plugin and from the cache, in one run."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import requests
from rich.table import Table

from dev.upload import Instance

REQUESTS = 7

# As OHIF asks: the stored transfer syntax, in a multipart body.
ACCEPT = "multipart/related; type=application/octet-stream; transfer-syntax=*"


@dataclass(frozen=True)
class Timing:
    """How a route answered: seconds of the first answer, median seconds of the next, and what came."""

    first: float
    median: float
    frame_cache: str
    body: bytes


def measure(url: str) -> Timing:
    """Ask for `url` several times over one connection. Raises requests.HTTPError for an answer that is an error."""
    seconds = []
    with requests.Session() as session:
        for _ in range(REQUESTS):
            started = time.perf_counter()
            answer = session.get(url, headers={"Accept": ACCEPT}, timeout=600)
            seconds.append(time.perf_counter() - started)
            answer.raise_for_status()
    return Timing(seconds[0], statistics.median(seconds[1:]), answer.headers.get("X-Frame-Cache", "-"), answer.content)


def compare(url: str, instance: Instance) -> Table:
    """A table of frame 1 by both routes: the stock plugin reads `01` as frame 1, and only it answers to that."""
    table = Table(title="Frame 1, asked for as OHIF does")
    for name in ("", "first answer", f"next {REQUESTS - 1}, median", "X-Frame-Cache", "size"):
        table.add_column(name, justify="right" if name else "left")
    for name, frame in (("DICOMweb plugin", "01"), ("frame cache", "1")):
        timing = measure(f"{url}{instance.path}/frames/{frame}")
        row = milliseconds(timing.first), milliseconds(timing.median), timing.frame_cache, megabytes(timing.body)
        table.add_row(name, *row)
    return table


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def megabytes(body: bytes) -> str:
    return f"{len(body) / 1e6:.2f} MB"
