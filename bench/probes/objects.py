"""Frames out of a bucket in Python, beside bare reads of the same bytes; and an index of very many objects."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import obstore
from framecache.client.bucket.bucket_index import BucketIndex
from framecache.client.bucket.segment import Statement, encode
from framecache.tree.layout import OWN_JSON
from framecache.tree.objects import open_objects

from bench.figure import Figure, of_seconds
from bench.lab import Lab
from bench.objects import KEY
from bench.probe import Probe
from bench.probes.folder import AS_STORED, FRAMES, INSTANCES_OF_STUDY, record_of, slowest_search
from bench.subject import BARE_READ, Subject

STUDIES_OF_SEGMENT = 80  # about as many objects as merged segments have


def one_frame(data_set: str) -> Probe:
    """One frame, with the index at hand; barely, one range of the object."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        uids, runs = lab.objects.frames(data_set)
        if subject is BARE_READ:
            store = lab.objects.store(data_set)
            chosen = [runs[number - 1] for number in FRAMES]
            return of_seconds([_timed(_read, store, run.offset, run.length) for run in chosen])
        with lab.objects.client(subject, data_set) as client:
            client.search_for_studies()
            retrieve = client.retrieve_instance_frames
            return of_seconds([_timed(retrieve, *uids, [number], AS_STORED) for number in FRAMES])

    return Probe(f"one frame from a bucket, {data_set}", measure)


def all_frames(data_set: str, step: int = 1) -> Probe:
    """All frames one after the other, or each so many; barely, the whole object."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        uids, runs = lab.objects.frames(data_set)
        if subject is BARE_READ:
            return of_seconds([_timed(lambda: obstore.get(lab.objects.store(data_set), KEY).bytes())])
        numbers = range(1, len(runs) + 1, step)
        with lab.objects.client(subject, data_set) as client:
            client.search_for_studies()
            frames = client.iter_instance_frames
            return of_seconds([_timed(lambda: sum(map(len, frames(*uids, numbers, AS_STORED))))])

    return Probe(f"frames from a bucket, each {step}, {data_set}", measure)


def study_search() -> Probe:
    """The slowest of some searches for studies in the index of a bucket of very many objects."""

    def measure(lab: Lab, subject: Subject) -> Figure:  # noqa: ARG001 - there is one
        index = large_index(lab)
        figure = slowest_search(index.local, lab)
        index.local.close()
        return figure

    return Probe("study search in a large index of a bucket", measure)


def opening() -> Probe:
    """Until that index can be searched, once it was read on this machine."""

    def measure(lab: Lab, subject: Subject) -> Figure:  # noqa: ARG001
        _open_and_close(lab)
        return of_seconds([_timed(_open_and_close, lab) for _ in range(lab.size.repeats)])

    return Probe("opening a large index of a bucket", measure)


def large_index(lab: Lab) -> BucketIndex:
    """Of a bucket in a folder that has segments and no objects; made once and kept, as what was read of it."""
    folder = lab.places.samples / f"bucket-{lab.size.indexed_instances}"
    if not folder.exists():
        made = folder.with_suffix(".new")
        shutil.rmtree(made, ignore_errors=True)
        _write_segments(made, lab.size.indexed_instances // INSTANCES_OF_STUDY)
        made.rename(folder)
    index = BucketIndex(open_objects(folder.as_uri()), 0.0, folder.with_suffix(".sqlite"))
    index.refresh()
    return index


def _write_segments(folder: Path, studies: int) -> None:
    objects = open_objects(folder.as_uri())
    for first in range(0, studies, STUDIES_OF_SEGMENT):
        statements = [
            Statement(f"{study}/{number}", "2026-01-01T00:00:00+00:00", f'"{study}"', 1, record_of(study, number))
            for study in range(first, min(first + STUDIES_OF_SEGMENT, studies))
            for number in range(INSTANCES_OF_STUDY)
        ]
        objects.create(*encode(statements), OWN_JSON)


def _read(store: obstore.store.ObjectStore, offset: int, length: int) -> obstore.Bytes:
    return obstore.get_range(store, KEY, start=offset, length=length)


def _open_and_close(lab: Lab) -> None:
    large_index(lab).local.close()


def _timed(work: Callable[..., object], *arguments: object) -> float:
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started
