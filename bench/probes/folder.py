"""A folder of DICOM files in Python: framecache's file client, and dicomweb-client's own, each with its own index."""

from __future__ import annotations

import logging
import os
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import dicomweb_client.file
from framecache.client import DICOMfileClient
from framecache.client.index.local_index import OTHER, IndexedFile, LocalIndex
from framecache.client.index.reading import Record
from framecache.dicomweb.attributes import Level
from framecache.dicomweb.query import parse_query
from pydicom import dcmread

from bench.figure import Figure, of_seconds
from bench.lab import Lab
from bench.plain import SmallFile
from bench.probe import Probe, Together
from bench.process import bytes_read, drop_pages
from bench.subject import FILE_CLIENT, Subject

FILES_OF_SERIES, SERIES_OF_STUDY = 50, 4
INSTANCES_OF_STUDY = 100
FIRST, UNCHANGED = "first index of a folder", "index of an unchanged folder"
FRAMES = (11, 17, 3, 23, 29, 7, 19)
AS_STORED = (("application/octet-stream", "*"),)


class SmallFiles(Together):
    """Very many small files. FIRST: from nothing to an index of all. UNCHANGED: it is brought up to date."""

    def _measure(self, lab: Lab, subject: Subject) -> Mapping[str, Figure]:
        with _indexes(lab) as indexes:
            folder = small_files(lab)
            first = _seconds(subject, folder, indexes)
            again = [_seconds(subject, folder, indexes) for _ in range(lab.size.slow_repeats)]
        return {FIRST: of_seconds([first]), UNCHANGED: of_seconds(again)}


def cold_frame(data_set: str) -> Probe:
    """One frame, by an index, of a file of which nothing is in the page cache."""
    return Probe(f"cold frame from the folder, {data_set}", lambda lab, subject: _cold(lab, subject, data_set)[0])


def bytes_for_one_frame(data_set: str) -> Probe:
    """What is read from disk for it, over the length of the frame."""
    return Probe(f"bytes for one frame, {data_set}", lambda lab, subject: _cold(lab, subject, data_set)[1])


def study_search() -> Probe:
    """The slowest of some searches for studies in a large index, each the median of several."""

    def measure(lab: Lab, subject: Subject) -> Figure:  # noqa: ARG001 - there is one
        index = LocalIndex(large_index(lab))
        figure = slowest_search(index, lab)
        index.close()
        return figure

    return Probe("study search in a large index", measure)


def slowest_search(index: LocalIndex, lab: Lab) -> Figure:
    """Of the searches, each the median of several."""
    figures = [_searched(index, asked, lab.size.repeats) for asked in SEARCHES]
    return max(figures, key=lambda figure: figure.value)


SEARCHES: tuple[dict[str, Any], ...] = (
    {"PatientID": "P100"},
    {"AccessionNumber": "A77"},
    {"PatientName": "last7^*"},
    {"PatientName": "*7^first3"},
    {"StudyDate": "20200102"},
    {"StudyDate": "20200101-20200107", "ModalitiesInStudy": "CT"},
    {"limit": 25},
)


def _searched(index: LocalIndex, asked: dict[str, Any], repeats: int) -> Figure:
    query, seconds = parse_query(Level.STUDY, asked), []
    for _ in range(max(3, repeats)):
        started = time.perf_counter()
        index.search(query, "file:///images")
        seconds.append(time.perf_counter() - started)
    return of_seconds(seconds)


def _opened(subject: Subject, folder: Path, indexes: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if subject is FILE_CLIENT:
            return DICOMfileClient(folder, db_dir=indexes)
        logging.getLogger("dicomweb_client").setLevel(logging.CRITICAL)
        return dicomweb_client.file.DICOMfileClient(folder.as_uri(), update_db=True, db_dir=indexes)


def _seconds(subject: Subject, folder: Path, indexes: Path) -> float:
    started = time.perf_counter()
    _opened(subject, folder, indexes)
    return time.perf_counter() - started


@contextmanager
def _indexes(lab: Lab) -> Iterator[Path]:
    folder = lab.places.temporary / "indexes"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def small_files(lab: Lab) -> Path:
    """A folder of small files, made once and kept."""
    folder = lab.places.samples / f"small-files-{lab.size.small_files}"
    if not folder.exists():
        made = folder.with_suffix(".new")
        shutil.rmtree(made, ignore_errors=True)
        for number in range(lab.size.small_files):
            study, series = number // (FILES_OF_SERIES * SERIES_OF_STUDY), number // FILES_OF_SERIES
            path = made / f"{study}" / f"{series}" / f"{number}.dcm"
            path.parent.mkdir(parents=True, exist_ok=True)
            SmallFile(study, series, number).write(path)
        made.rename(folder)
    return folder


def _cold(lab: Lab, subject: Subject, data_set: str) -> tuple[Figure, Figure]:
    file = lab.data[data_set].files(lab.places.samples)[0]
    with _indexes(lab) as indexes:
        folder = indexes / "images"
        folder.mkdir()
        os.link(file, folder / file.name)
        client, header = _opened(subject, folder, indexes), dcmread(file, stop_before_pixels=True)
        uids = header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID
        media_types = AS_STORED if subject is FILE_CLIENT else None
        seconds, read = [], []
        for number in FRAMES:
            drop_pages(folder)
            before, started = bytes_read(os.getpid()), time.perf_counter()
            [frame] = client.retrieve_instance_frames(*uids, [number], media_types)
            seconds.append(time.perf_counter() - started)
            read.append((bytes_read(os.getpid()) - before) / len(frame))
        return of_seconds(seconds), replace(of_seconds(read), unit="×", median=None, p99=None)


def large_index(lab: Lab) -> Path:
    """An index without files, made once and kept."""
    path = lab.places.samples / f"index-{lab.size.indexed_instances}.sqlite"
    if not path.exists():
        made = path.with_suffix(".new")
        made.unlink(missing_ok=True)
        index = LocalIndex(made)
        for first in range(0, lab.size.indexed_instances // INSTANCES_OF_STUDY, 100):
            with index.writing() as writer:
                for study in range(first, first + 100):
                    for number in range(INSTANCES_OF_STUDY):
                        writer.put(f"{study}", f"{number}", IndexedFile(1, "1", OTHER), record_of(study, number))
        index.close()
        made.rename(path)
    return path


def record_of(study: int, number: int) -> Record:
    """A CT slice or a report, the one of this number in the study of this number."""
    series = number % 2
    values = {
        "StudyInstanceUID": f"2.25.{study}",
        "SeriesInstanceUID": f"2.25.{study}.{series}",
        "SOPInstanceUID": f"2.25.{study}.{series}.{number}",
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
        "PatientID": f"P{study // 3}",
        "PatientName": f"Last{study % 997}^First{study % 101}",
        "StudyDate": f"{2005 + study % 20}{1 + study % 12:02}{1 + study % 28:02}",
        "StudyTime": f"{study % 24:02}1500",
        "AccessionNumber": f"A{study}",
        "StudyID": f"{study}",
        "Modality": ("CT", "SR")[series],
        "SeriesNumber": series,
        "InstanceNumber": number,
        "Rows": 512,
        "Columns": 512,
        "BitsAllocated": 16,
    }
    return Record(values, "1.2.840.10008.1.2.1", 1000, bytes(60))
