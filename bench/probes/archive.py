"""Writing an archive, beside what else is done with the same files: copying, reading, putting them barely."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import obstore
from framecache.tree.objects import open_objects
from framecache.tree.source import Source
from framecache.tree.tree import Tree
from pydicom import dcmread

from bench.figure import Figure, of_seconds
from bench.lab import Lab
from bench.plain import Plain, Slice, SmallFile
from bench.probe import Probe
from bench.process import forget_peak, peak_bytes
from bench.subject import ARCHIVE, COPYING, READING, Subject
from dev.console import CHECKOUT
from dev.s3 import S3Server

SLICES = "archived"
THREADS = 16
FILES_OF_SERIES = 20
OTHERS = 10


def added(data_set: str) -> Probe:
    """Files added to an archive in a folder, copied, or read by pydicom; what is written is synced."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        files = _files(lab, data_set)
        for file in files:
            file.read_bytes()
        with _folder(lab) as folder:
            ways: dict[str, Callable[[], None]] = {
                ARCHIVE.name: lambda: _add(f"{folder.as_uri()}/tree", files),
                COPYING.name: lambda: _copy(files, folder),
                READING.name: lambda: list(map(dcmread, files)).clear(),
            }
            return of_seconds([_timed(ways[subject.name])])

    return Probe(f"added to a folder, {data_set}", measure)


def added_to_bucket(data_set: str) -> Probe:
    """Files added to an archive in a bucket, or their frames put by obstore alone, as many at once."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        files = _files(lab, data_set)
        with _folder(lab) as folder, S3Server(folder) as server:
            name = f"archive-{uuid.uuid4().hex[:8]}"
            store = server.make_bucket(name)
            if subject is ARCHIVE:
                return of_seconds([_timed(lambda: _add(f"s3://{name}/archive", files, server))])
            frames = {f"{number}": dcmread(file).PixelData for number, file in enumerate(files)}
            with ThreadPoolExecutor(THREADS) as pool:
                put = pool.map
                return of_seconds([_timed(lambda: list(put(lambda key: obstore.put(store, key, frames[key]), frames)))])

    return Probe(f"added to a bucket, {data_set}", measure)


def memory(data_set: str) -> Probe:
    """The most memory that adding an instance needs on top of what the process has before, in MB."""
    return Probe(f"memory of an addition, {data_set}", lambda lab, _: _needed(lab, data_set)[0])


def open_files(data_set: str) -> Probe:
    """The most files that are open meanwhile."""
    return Probe(f"open files of an addition, {data_set}", lambda lab, _: _needed(lab, data_set)[1])


def series_among_few() -> Probe:
    """A series of twenty CT slices added to an archive that has few: synced, and listed."""
    return Probe("a series added to few others", lambda lab, _: _series_among(lab, OTHERS))


def series_among_many() -> Probe:
    """The same in an archive that has many."""
    return Probe("a series added to many others", lambda lab, _: _series_among(lab, lab.size.archived_series))


def _series_among(lab: Lab, studies: int) -> Figure:
    with _folder(lab) as folder, Tree.open(f"{folder.as_uri()}/tree") as tree:
        _add_series(tree, folder, range(studies))
        os.sync()
        return of_seconds([_add_series(tree, folder, [studies + n]) for n in range(max(5, lab.size.repeats))])


def _files(lab: Lab, data_set: str) -> list[Path]:
    """All slices, but one large instance."""
    files = lab.data[data_set].files(lab.places.samples)
    return files if data_set == SLICES else files[:1]


def _add_series(tree: Tree, folder: Path, studies: Sequence[int]) -> float:
    """A small file in each of many studies, or slices in one; the seconds that adding them takes."""
    many: list[SmallFile | Plain] = [SmallFile(study + 1, 1, 1) for study in studies]
    files = many if len(many) > 1 else [Slice(1000 + studies[0], number) for number in range(FILES_OF_SERIES)]
    sources = [Source.content(file.write(folder / "one.dcm").read_bytes()) for file in files]
    return _timed(lambda: list(tree.add(sources)))


def _add(url: str, files: list[Path], server: S3Server | None = None) -> None:
    with Tree.open(url, options=server.settings if server else None, threads=THREADS if server else None) as tree:
        outcomes = list(tree.add(map(Source.file, files)))
        if len(outcomes) != len(files):
            raise OSError("not all files were added")


def _copy(files: list[Path], folder: Path) -> None:
    subprocess.run(["cp", *files, folder], check=True)
    open_objects(folder.as_uri()).settle()


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@contextmanager
def _folder(lab: Lab) -> Iterator[Path]:
    folder = lab.places.temporary / "archive"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.sync()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _needed(lab: Lab, data_set: str) -> tuple[Figure, Figure]:
    """In a process of its own, whose memory is its own."""
    [file, *_] = _files(lab, data_set)
    with _folder(lab) as folder:
        command = [sys.executable, "-m", "bench.probes.archive", str(file), folder.as_uri()]
        answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=CHECKOUT).stdout.split()
    megabytes, files = float(answer[0]), float(answer[1])
    figure = of_seconds([megabytes])
    return replace(figure, unit="MB", median=None, p99=None), replace(
        figure, value=files, unit="files", median=None, p99=None
    )


def _report(file: Path, url: str) -> None:
    """Add a file, and print the megabytes and the files that this needed."""
    most, done, own = [0], threading.Event(), Path("/proc/self/fd")

    def watch() -> None:
        while not done.wait(0.005):
            most[0] = max(most[0], len(list(own.iterdir())))

    with Tree.open(url) as tree:
        forget_peak(os.getpid())
        before = peak_bytes(os.getpid())
        watcher = threading.Thread(target=watch)
        watcher.start()
        list(tree.add([Source.file(file)]))
        done.set()
        watcher.join()
    print(f"{(peak_bytes(os.getpid()) - before) / 1e6:.1f} {most[0]}")


if __name__ == "__main__":
    _report(Path(sys.argv[1]), sys.argv[2])
