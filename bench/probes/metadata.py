"""Retrieve Metadata (PS3.18 section 10.4.1.1.2) of what was just sent: a viewer asks for it before any frame."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from bench import client
from bench.client import Answer, NotAvailable
from bench.figure import Figure, of_seconds
from bench.lab import Lab, wait_until_cached
from bench.probe import Together
from bench.probes.upload import over_rest
from bench.process import forget_peak, peak_bytes, resident_bytes
from bench.subject import Subject
from dev.orthanc_server import OrthancServer
from dev.upload import Instance, upload

ACCEPT = "application/dicom+json"
LATER = 10
ALONE, AT_ONCE, MEMORY = "metadata of one series", "metadata of all series at once", "memory of that"
FIRST, AGAIN, WIRE = "metadata, first", "metadata, later", "metadata over the wire with gzip"


class LargeSeries(Together):
    """Series of one large instance each.

    ALONE: of each one as soon as it was sent. AT_ONCE: of all, as soon as the last was sent, until the last answer.
    MEMORY: by how much all at once let an idle Orthanc grow.
    """

    def _measure(self, lab: Lab, subject: Subject) -> Mapping[str, Figure]:
        files, alone = lab.data[self._data_set].files(lab.places.samples), list[float]()
        with lab.new_server(subject) as server:
            for file in files:
                [instance] = upload(server.url, file)
                alone.append(ask(server, subject, series_page(instance)).seconds)
        with lab.new_server(subject) as server:
            instances = [upload(server.url, file)[0] for file in files]
            pages = [series_page(instance) for instance in instances]
            at_once = _all_at_once(server, subject, pages)
        with lab.new_server(subject) as server:
            grown = _growth(server, subject, [upload(server.url, file)[0] for file in files])
        return {ALONE: of_seconds(alone), AT_ONCE: of_seconds([at_once]), MEMORY: Figure(grown / 1e6, "MB")}


class ManyInstances(Together):
    """One series. FIRST: as soon as all was sent. AGAIN: the median of the next. WIRE: the bytes of one, in MB."""

    def _measure(self, lab: Lab, subject: Subject) -> Mapping[str, Figure]:
        files = lab.data[self._data_set].files(lab.places.samples)
        with lab.new_server(subject) as server:
            [instance] = upload(server.url, files[0])
            over_rest(lab, server, files[1:])
            page = series_page(instance)
            first = ask(server, subject, page)
            later = [ask(server, subject, page).seconds for _ in range(LATER)]
            zipped = client.get(server.url, page, ACCEPT, "gzip")
        wire = Figure(zipped.length / 1e6, "MB", raw={"identity": first.length})
        return {FIRST: of_seconds([first.seconds]), AGAIN: of_seconds(later), WIRE: wire}


class LongHeaders(Together):
    """Instances, each asked for by itself. FIRST: as soon as it was sent. AGAIN: the median of the next."""

    def _measure(self, lab: Lab, subject: Subject) -> Mapping[str, Figure]:
        first, later = list[float](), list[float]()
        with lab.new_server(subject) as server:
            for file in lab.data[self._data_set].files(lab.places.samples):
                [instance] = upload(server.url, file)
                page = f"{instance.path}/metadata"
                first.append(ask(server, subject, page).seconds)
                later += [ask(server, subject, page).seconds for _ in range(LATER)]
        return {FIRST: of_seconds(first), AGAIN: of_seconds(later)}


def series_page(instance: Instance) -> str:
    """The path of its series' metadata."""
    return f"{instance.path.rpartition('/instances/')[0]}/metadata"


def ask(server: OrthancServer, subject: Subject, page: str) -> Answer:
    """The answer. Raises NotAvailable for an error, and if another one answered than the one that is measured."""
    answer = client.get(server.url, page, ACCEPT)
    if subject.has_cache != bool(answer.frame_cache):
        raise NotAvailable(f"the metadata was answered by {answer.frame_cache or 'the stock plugin'}")
    return answer


def _all_at_once(server: OrthancServer, subject: Subject, pages: Sequence[str]) -> float:
    """Seconds until the last one is there."""
    started = time.perf_counter()
    with ThreadPoolExecutor(len(pages)) as threads:
        list(threads.map(lambda page: ask(server, subject, page), pages))
    return time.perf_counter() - started


def _growth(server: OrthancServer, subject: Subject, instances: Sequence[Instance]) -> int:
    """Bytes, at most. Nothing is left to do in the background before."""
    if subject.has_cache:
        for instance in instances:
            wait_until_cached(server.url, instance.orthanc_id)
    before = resident_bytes(server.pid)
    forget_peak(server.pid)
    _all_at_once(server, subject, [series_page(instance) for instance in instances])
    return peak_bytes(server.pid) - before
