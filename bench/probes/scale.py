"""Very many cached frames against a thousand: start-up, memory, and a hit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from bench import client
from bench.figure import Figure, of_load
from bench.lab import Lab
from bench.probe import Probe
from bench.process import resident_bytes
from bench.subject import Subject
from dev.orthanc_server import OrthancServer


def _probe(name: str, data_set: str, measure: Callable[[Lab, Subject, OrthancServer], Figure]) -> Probe:
    def prepared(lab: Lab, subject: Subject) -> Figure:
        return measure(lab, subject, lab.filled(subject, data_set))

    return Probe(f"{name}, {data_set}", prepared)


def start_up(data_set: str) -> Probe:
    """From the start of the process to the first frame from the cache, which holds nothing else."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        lab.emptied(subject)
        lab.filled(subject, data_set)
        lab.stop()
        started = time.monotonic()
        client.get(lab.server(subject).url, lab.stored(data_set)[-1].frame(1))
        return Figure(time.monotonic() - started, "s")

    return Probe(f"start-up, {data_set}", measure)


def memory(data_set: str) -> Probe:
    """Orthanc's memory when every instance of the data set has been asked for once since the start."""

    def measure(lab: Lab, subject: Subject, _server: OrthancServer) -> Figure:
        lab.stop()
        server = lab.server(subject)
        for stored in lab.stored(data_set):
            client.get(server.url, stored.frame(1))
        return Figure(resident_bytes(server.pid) / 1e6, "MB")

    return _probe("memory", data_set, measure)


def hit(data_set: str) -> Probe:
    """The median of one client over a thousand frames, taken evenly from all instances."""

    def measure(lab: Lab, subject: Subject, server: OrthancServer) -> Figure:
        frames = [frame for stored in lab.stored(data_set) for frame in stored.frames]
        thousand = frames[:: max(1, len(frames) // 1000)][:1000]
        figure = of_load(lab.load(subject, server.url, thousand, 1))
        return replace(figure, value=figure.median or 0.0, unit="s")

    return _probe("hit", data_set, measure)
