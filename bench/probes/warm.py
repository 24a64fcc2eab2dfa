"""Frames that are cached, or that were just asked for."""

from __future__ import annotations

from dataclasses import replace

from bench import client
from bench.client import Client, NotAvailable
from bench.figure import Figure, of_load, of_seconds
from bench.lab import Lab
from bench.load import ACCEPT
from bench.probe import Probe
from bench.subject import FRAMECACHE, Subject


def throughput(data_set: str, connections: int) -> Probe:
    """Requests a second for the frames of one instance in turn."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        url, paths = lab.target(subject, FRAMECACHE, data_set)
        return of_load(lab.load(subject, url, paths, connections))

    return Probe(f"warm {data_set}, {connections} connections", measure, patience=2)


def spread(data_set: str, connections: int) -> Probe:
    """The 99th percentile as a multiple of the median."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        url, paths = lab.target(subject, FRAMECACHE, data_set)
        measured = lab.load(subject, url, paths, connections)
        return replace(of_load(measured), value=measured.p99 / measured.median, unit="× median")

    return Probe(f"spread {data_set}, {connections} connections", measure)


def latency(data_set: str) -> Probe:
    """One client, as fast as it can: its median."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        url, paths = lab.target(subject, FRAMECACHE, data_set)
        return median_of_one(lab, subject, url, paths)

    return Probe(f"one client, {data_set}", measure)


def median_of_one(lab: Lab, subject: Subject, url: str, paths: list[str]) -> Figure:
    """The median of one client that asks as fast as it can."""
    measured = lab.load(subject, url, paths, 1)
    return replace(of_load(measured), value=measured.median, unit="s")


def frame_list(data_set: str, number: int) -> Probe:
    """A list of the first frames, each time anew over one connection."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        url = lab.filled(subject, data_set).url
        path = lab.stored(data_set)[0].frame(",".join(str(n) for n in range(1, number + 1)))
        if subject.has_cache and client.get(url, path).frame_cache != "hit":
            raise NotAvailable("not answered from the cache")
        fast = subject.has_cache
        repeats = 20 if fast else lab.size.slow_repeats + 1
        return of_seconds(timed(url, path, repeats))

    return Probe(f"list of {number} frames, {data_set}", measure)


def timed(url: str, path: str, repeats: int, accept: str = ACCEPT) -> list[float]:
    """Seconds of each of several equal requests over one connection."""
    connection = Client(url)
    try:
        return [connection.get(path, accept).seconds for _ in range(repeats)]
    finally:
        connection.close()
