"""Several writers at once, killed at any moment, make the archive that one makes in order; readers can always read."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from framecache.dicom.byte_reader import MemoryReader
from framecache.dicom.identity import InstancePath
from framecache.errors import SourceError
from framecache.tree import frame_writer, layout
from framecache.tree.publication import Publication
from framecache.tree.record import Record
from framecache.tree.source import Source
from framecache.tree.tree import Tree
from framecache.tree.view import Shown
from framecache.tree.writer import Added, Skipped

from dev.console import CHECKOUT
from tests.unit.dicom_files import STUDY
from tests.unit.tree.places import FRAME, PATH, Place, contents, file, kind, value

WRITERS, PATIENCE = 4, 120.0


def make_files(folder: Path, instances: int) -> list[Path]:
    """Files of two studies with two series each."""
    folder.mkdir()
    paths = []
    for number in range(instances):
        study, series = f"1.{number % 2}", f"1.{number % 2}.{number // 2 % 2}"
        source = file(number, InstancePath(study, series, f"{series}.{number}"), InstanceNumber=number)
        paths.append(folder / f"{number:03}.dcm")
        paths[-1].write_bytes(source.open().read_at(0, 1 << 20))
    return paths


def start(place: Place, folder: Path, seed: int) -> subprocess.Popen[bytes]:
    program = CHECKOUT / "tests/unit/tree/adding.py"
    arguments = [place.url, json.dumps(dict(place.options or {})), str(folder), str(seed)]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "plugin")}
    return subprocess.Popen([sys.executable, str(program), *arguments], env=environment)


@contextmanager
def writers(place: Place, folder: Path, seed: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    with ExitStack() as stack:
        started = [start(place, folder, seed + number) for number in range(WRITERS)]
        for process in started:
            stack.callback(process.wait, PATIENCE)
            stack.callback(process.kill)
        yield started


def read_all(tree: Tree) -> int:
    """All frames of all instances that are listed at this moment; none may be damaged."""
    frames = 0
    for study in tree.studies():
        uid = value(study, "0020000D")
        for shown in tree.derivation.view(uid).shown:
            frames += len(tree.frames_of(shown.record, [1, 2, 3]))
    return frames


def kill_some(place: Place, folder: Path, kills: int, pause: float) -> None:
    """Let writers begin, and kill each at a moment of its own, again and again."""
    chosen = random.Random(14)
    for seed in range(0, kills, WRITERS):
        with writers(place, folder, seed) as started, place.open() as reader:
            for process in started:
                time.sleep(chosen.uniform(0, pause))
                process.send_signal(signal.SIGKILL)
                read_all(reader)


def settled(tree: Tree) -> dict[str, bytes]:
    """All that is there, once garbage is collected."""
    tree.gc(timedelta(0))
    return contents(tree)


def check(place: Place, expected: Place, folder: Path, kills: int, pause: float) -> None:
    kill_some(place, folder, kills, pause)
    with writers(place, folder, 100) as started:
        assert [process.wait(PATIENCE) for process in started] == [0] * WRITERS
    with expected.open() as in_order:
        assert all(in_order.add(map(Source.file, sorted(folder.iterdir()))))
        wanted = settled(in_order)
    with place.open() as tree:
        assert list(tree.verify()) == []
        found = settled(tree)
        assert {*found} == {*wanted}
        assert [key for key in wanted if found[key] != wanted[key]] == []


def test_writers_that_are_killed_make_the_same_archive_in_a_folder(tmp_path: Path) -> None:
    make_files(tmp_path / "files", 40)
    killed = Place(f"file://{tmp_path}/killed")
    check(killed, killed.beside("in-order"), tmp_path / "files", kills=12, pause=1.0)


def test_writers_that_are_killed_make_the_same_archive_in_a_bucket(bucket: Place, tmp_path: Path) -> None:
    make_files(tmp_path / "files", 8)
    check(bucket, bucket.beside("in-order"), tmp_path / "files", kills=4, pause=3.0)


@pytest.mark.parametrize("large", [frame_writer.LARGE, FRAME], ids=["at once", "as streams"])
def test_two_versions_that_were_added_at_once_show_the_frames_of_one(
    place: Place, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_writer, "LARGE", large)
    with place.open() as one, place.open() as other:
        first, second = one.add([file(0)], derive=False), other.add([file(100)], derive=False)
        for outcomes in (first, second):
            assert len(list(outcomes)) == 1
        one.derive()
        frames = [frame[0] for frame in one.frames(PATH, [1, 2, 3])]

        assert frames in ([0, 1, 2], [100, 101, 102])
        assert all(
            bytes([frame]) * FRAME in one.objects.read(layout.frame(PATH, n)) for n, frame in enumerate(frames, 1)
        )
        assert list(other.verify()) == []
        assert [_frames_of(one, record) for record in one.log.read_now(STUDY).records] in (
            [[0, 1, 2], [100, 101, 102]],
            [[100, 101, 102], [0, 1, 2]],
        )


class Killed(BaseException):
    pass


def test_frames_that_a_killed_writer_put_there_by_an_old_view_are_exchanged(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = Publication.publish

    def publish_late(publication: Publication, shown: Shown, others: list[Record]) -> None:
        monkeypatch.setattr(Publication, "publish", publish)
        assert len(list(newest.add([file(90)]))) == 1
        publish(publication, shown, others)
        raise Killed

    with place.open() as oldest, place.open() as newest, place.open() as next_one:
        list(oldest.add([file(0)]))
        monkeypatch.setattr(Publication, "publish", publish_late)
        with pytest.raises(Killed):
            list(oldest.add([file(50)]))
        assert at_place(next_one) == [50, 51, 52]
        next_one.derive(STUDY)
        assert at_place(next_one) == [90, 91, 92]
        next_one.gc(timedelta(0))
        assert next_one.objects.listed("contested") == []
        assert list(next_one.verify()) == []


def at_place(tree: Tree) -> list[int]:
    """What web servers send of the first byte of each frame."""
    bodies = [tree.objects.read(layout.frame(PATH, number)) for number in (1, 2, 3)]
    return [body.partition(b"\r\n\r\n")[2][0] for body in bodies]


def _frames_of(tree: Tree, record: Record) -> list[int]:
    return [frame[0] for frame in tree.frames_of(record, [1, 2, 3])]


class Unreadable(MemoryReader):
    """Has a header; what is behind it cannot be read."""

    def read_into(self, _: int, __: memoryview) -> None:
        raise SourceError("the disk is broken")


def test_a_file_whose_frames_cannot_be_read_is_skipped_and_stops_nothing(place: Place, tmp_path: Path) -> None:
    [first, second, third] = make_files(tmp_path / "files", 3)
    broken = Source("broken", lambda: Unreadable(second.read_bytes()))
    with place.open() as tree:
        outcomes = list(tree.add([Source.file(first), broken, Source.file(third), Source.file(tmp_path / "none")]))
        assert [(outcome.source.name, outcome.reason) for outcome in outcomes if isinstance(outcome, Skipped)] == [
            (f"{tmp_path}/none", "the stored file is not there"),
            ("broken", "the disk is broken"),
        ]
        assert {outcome.source.name for outcome in outcomes if isinstance(outcome, Added)} == {str(first), str(third)}
        assert [kind(outcome) for outcome in tree.add([Source.file(second)])] == ["added"]
        assert list(tree.verify()) == []


def test_of_small_files_that_are_opened_before_their_turn_the_last_one_counts(place: Place, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number:02}.dcm" for number in range(20)]
    for number, path in enumerate(paths):
        path.write_bytes(file(number).open().read_at(0, 1 << 20))
    with place.open() as tree:
        assert len(list(tree.add(map(Source.file, paths)))) == 20
        assert (tree.record(PATH).version, tree.frame(PATH, 1)[0]) == (20, 19)
