"""Whatever happens to the cache's folder, frames come, the status says what is wrong, and it recovers by itself."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from dev.orthanc_folder import SUITES
from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import Archive, restart, running, stop, wait_until

pytestmark = pytest.mark.orthanc

SMALL = Sample(frames=4, rows=400, columns=400)
SEEDS = count(1000)
MB = 1 << 20
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")


@pytest.fixture(scope="module")
def folder_of_the_cache(archive: Archive) -> Path:
    return archive.server.folder / "FrameCache" / "blocks-2"


@pytest.fixture(scope="module")
def small_disk(suite: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """An Orthanc whose cache has a disk of 24 MiB for itself."""
    disk, folder = tmp_path_factory.mktemp("disk"), tmp_path_factory.mktemp(suite)
    section = {"Directory": str(disk / "cache"), "MaximumSizeMB": 20, "MinimumFreeDiskMB": 0}
    with (
        mounted(disk, "-t", "tmpfs", "-o", "size=24m", "tmpfs"),
        running(suite, folder / "orthanc", {"FrameCache": section}) as archive,
    ):
        yield archive


@contextmanager
def mounted(place: Path, *what: str | Path) -> Iterator[None]:
    """A container may have root and still not be allowed to mount."""
    done = subprocess.run(["mount", *what, place], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def new(archive: Archive, *, cached: bool = True) -> tuple[Instance, Sample]:
    sample = replace(SMALL, seed=next(SEEDS))
    return archive.store(sample, cached=cached), sample


def assert_served(archive: Archive, stored: tuple[Instance, Sample], found: str) -> None:
    """All frames, from our own route, byte by byte."""
    instance, sample = stored
    answer = archive.frames(instance, "1,2,3,4")
    assert (answer.history, answer.status_code, answer.headers["X-Frame-Cache"]) == ([], 200, found)
    wanted = [frame.tobytes() for frame in sample.pixels()]
    assert [part.payload for part in archive.parts(instance, "1,2,3,4")] == wanted


def reason(archive: Archive) -> str:
    found = archive.status()["Degraded"]
    return str(found["Reason"]) if found else ""


def assert_degrades(archive: Archive, known: tuple[Instance, Sample], words: str) -> tuple[Instance, Sample]:
    """A new instance cannot be kept, and is served all the same; so is what was kept before."""
    stored = new(archive, cached=False)
    wait_until(lambda: words in reason(archive), lambda: f"{reason(archive)}\n{archive.server.last_lines()}")
    assert_served(archive, stored, "miss")
    assert_served(archive, known, "hit")
    assert archive.status()["Errors"] == 0
    assert words in archive.advice()["Directory"]
    return stored


def assert_recovers(archive: Archive, *stored: tuple[Instance, Sample]) -> None:
    """By itself; what could not be kept is kept once a viewer asks for it."""
    wait_until(lambda: archive.status()["Degraded"] is None, lambda: str(archive.status()["Degraded"]))
    assert "Directory" not in archive.advice()
    for instance, _ in stored:
        archive.frames(instance, "1")
        archive.wait_until_cached(instance)
    for one in (*stored, new(archive)):
        assert_served(archive, one, "hit")


@needs_root
def test_a_full_disk(small_disk: Archive) -> None:
    disk = Path(small_disk.status()["Settings"]["Directory"]).parent
    known, ballast = new(small_disk), disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(MB))
    try:
        stored = assert_degrades(small_disk, known, "No space left on device")
    finally:
        ballast.unlink()
    assert_recovers(small_disk, stored)


@needs_root
@pytest.mark.parametrize("suite", SUITES[:1], indirect=True)
def test_others_who_fill_the_disk_push_out_what_nobody_asks_for(suite: str, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    section = {"FrameCache": {"Directory": str(disk / "cache"), "MinimumFreeDiskMB": 8}}
    with (
        mounted(disk, "-t", "tmpfs", "-o", "size=24m", "tmpfs"),
        running(suite, tmp_path / "orthanc", section, in_order=False) as archive,
    ):
        asked, *others = known = [new(archive) for _ in range(6)]
        assert_served(archive, asked, "hit")
        wait_until(lambda: archive.get_json(f"/frame-cache/instances/{asked[0].orthanc_id}")["LastViewed"] is not None)
        (disk / "others").write_bytes(bytes(disk_free(disk) - 5 * MB))
        wait_until(lambda: disk_free(disk) >= 8 * MB, lambda: str((disk_free(disk), archive.status())))
        left = [archive.progress(instance)["CachedFrames"] for instance, _ in others]
        assert 0 in left
        assert set(left) <= {0, SMALL.frames}
        assert_served(archive, asked, "hit")
        assert archive.status()["Degraded"] is None
        (disk / "more").write_bytes(bytes(disk_free(disk) - MB))
        words = "less than 8 MiB (MinimumFreeDiskMB) are free"
        wait_until(lambda: reason(archive) == words, lambda: reason(archive))
        assert_served(archive, known[-1], "miss")
        (disk / "more").unlink()
        assert_recovers(archive, known[-1])


def disk_free(place: Path) -> int:
    disk = os.statvfs(place)
    return disk.f_bavail * disk.f_frsize


@needs_root
def test_a_disk_that_becomes_read_only(small_disk: Archive) -> None:
    folder = Path(small_disk.status()["Settings"]["Directory"]) / "blocks-2"
    known = new(small_disk)
    with mounted(folder, "--bind", folder):
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        stored = assert_degrades(small_disk, known, "Read-only file system")
    assert_recovers(small_disk, stored)


@needs_root
@pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="mkfs.ext4 (e2fsprogs) makes the disk that will die")
def test_a_disk_that_dies(small_disk: Archive, tmp_path: Path) -> None:
    """A disk is mounted over the cache's folder, dies (EIO for all that is asked of it), and is taken away."""
    before, image = new(small_disk), tmp_path / "image"
    place = Path(small_disk.status()["Settings"]["Directory"])
    with image.open("wb") as file:
        file.truncate(24 * MB)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    with mounted(place, "-o", "loop", image):
        wait_until(lambda: (place / "blocks-2" / "cache.db").exists() and small_disk.status()["Degraded"] is None)
        known = new(small_disk)
        shut_down(place)
        stored = new(small_disk, cached=False)
        wait_until(lambda: "I/O error" in reason(small_disk) or "Input/output error" in reason(small_disk))
        for one in (before, known, stored):
            assert_served(small_disk, one, "miss")
    assert_recovers(small_disk, stored, before)
    assert small_disk.status()["Errors"] == 0


def shut_down(place: Path) -> None:
    """FS_IOC_SHUTDOWN: from now on every access to this file system is an I/O error."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, 0x8004587D, struct.pack("I", 2))
    finally:
        os.close(descriptor)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere; for it a disk is made read-only")
def test_a_folder_that_may_not_be_written(archive: Archive, folder_of_the_cache: Path) -> None:
    known = new(archive)
    with closed(folder_of_the_cache):
        stored = assert_degrades(archive, known, "Permission denied")
    assert_recovers(archive, stored)


@contextmanager
def closed(folder: Path) -> Iterator[None]:
    places = [Path(place) for place, _, _ in os.walk(folder)]
    for place in places:
        place.chmod(0o500)
    try:
        yield
    finally:
        for place in places:
            place.chmod(0o700)


def remove_index(blocks: Path) -> None:
    for path in blocks.glob("cache.db*"):
        path.unlink()


def bring_back_a_copy(blocks: Path) -> None:
    copy = blocks.parents[1] / "copy"
    shutil.copytree(blocks, copy)
    blocks.rename(blocks.parents[1] / "aside")
    copy.rename(blocks)


def garble_index(blocks: Path) -> None:
    """As when another program, or a dying disk, writes over it; the journal is written back first."""
    with sqlite3.connect(blocks / "cache.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with (blocks / "cache.db").open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        file.write(b"\xff" * size)


def remove_folder(blocks: Path) -> None:
    shutil.rmtree(blocks.parent)


def make_it_another_version_s(blocks: Path) -> None:
    with sqlite3.connect(blocks / "cache.db") as connection:
        connection.executescript("DROP TABLE Cache; CREATE TABLE Cache (key TEXT)")
    connection.close()


# A thread that comes first finds a new index, as SQLite makes one where there is none.
GONE = ("the cache's index is gone", "no such table: ", "No such file or directory", "unable to open database file")


def noted(archive: Archive, words: str, after: int = 0) -> bool:
    """Whether the log tells so of the cache, behind its first `after` characters."""
    return f"frame cache: NOT CACHING for now: {words}" in archive.log[after:]


@pytest.mark.parametrize("suite", SUITES[-1:], indirect=True)
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (remove_index, GONE),
        (remove_folder, GONE),
        (bring_back_a_copy, ("the cache's index is another file than before",)),
        (garble_index, ("file is not a database", "database disk image is malformed")),
    ],
)
def test_an_index_or_a_folder_that_is_lost_while_it_is_used(
    archive: Archive, folder_of_the_cache: Path, damage: Callable[[Path], None], words: Sequence[str]
) -> None:
    known, before = new(archive), len(archive.log)
    damage(folder_of_the_cache)
    stored = new(archive, cached=False)
    for one in (known, stored):
        assert archive.frames(one[0], "1,2,3,4").status_code == 200
    wait_until(lambda: "the cache can be used again" in archive.log[before:] and archive.status()["Degraded"] is None)
    assert any(noted(archive, word, before) for word in words), archive.log[before:]
    assert_recovers(archive, known, stored)
    assert archive.status()["Errors"] == 0
    assert [path.name for path in folder_of_the_cache.parent.glob("blocks-*")] == ["blocks-2"]
    restart(archive)
    assert_served(archive, stored, "hit")
    assert archive.status()["Degraded"] is None


@pytest.mark.parametrize("suite", SUITES[-1:], indirect=True)
@pytest.mark.parametrize("damage", [garble_index, make_it_another_version_s])
def test_an_index_that_cannot_be_read_at_the_start_is_begun_anew(
    archive: Archive, folder_of_the_cache: Path, damage: Callable[[Path], None]
) -> None:
    known, before = new(archive), len(archive.log)
    stop(archive.server)
    damage(folder_of_the_cache)
    archive.server.start()
    archive.wait_until_checked()
    assert_recovers(archive, known)
    assert not noted(archive, "", before)
    wait_until(lambda: [path.name for path in folder_of_the_cache.parent.glob("blocks-*")] == ["blocks-2"])
    assert (archive.status()["Errors"], " and 1 unreadable folder" in archive.log[before:]) == (0, True)


def test_a_file_that_is_cut_short_while_it_is_sent(archive: Archive) -> None:
    others = archive.cached_files()
    instance, sample = stored = new(archive)
    wanted = [frame.tobytes() for frame in sample.pixels()]
    ended = threading.Event()

    def cut() -> None:
        while not ended.wait(0.001):
            for path in archive.cached_files() - others:
                with suppress(FileNotFoundError):
                    os.truncate(path, 200_000)

    cutter = threading.Thread(target=cut)
    cutter.start()
    try:
        for _ in range(50):
            assert [part.payload for part in archive.parts(instance, "1,2,3,4")] == wanted
    finally:
        ended.set()
        cutter.join()
    assert archive.status()["DamagedBlocks"] > 0
    wait_until(lambda: archive.frames(instance, "1,2,3,4").headers["X-Frame-Cache"] == "hit")
    assert_served(archive, stored, "hit")


def test_what_a_crash_left_behind_is_removed_at_the_next_start(archive: Archive) -> None:
    """Orphans, lost files, and the caches of other versions of this plugin."""
    others = archive.cached_files()
    instance, _ = stored = new(archive)
    stop(archive.server)
    lost, kept, *_ = sorted(archive.cached_files() - others)
    orphan = kept.with_name("1.2.840.10008.1.2.1_9-0a0b0c0d.block")
    orphan.write_bytes(kept.read_bytes())
    lost.unlink()
    older, aside = (kept.parents[2].with_name(name) for name in ("blocks-1", "blocks-2.broken-0a0b0c0d"))
    for folder in (older, aside):
        (folder / "ab").mkdir(parents=True)
        (folder / "ab" / "something").write_bytes(bytes(5000))
    archive.server.start()
    archive.wait_until_checked()
    wait_until(lambda: not (orphan.exists() or older.exists() or aside.exists()))
    wait_until(lambda: "1 file without a row, 1 row without a file and 2 unreadable folders" in archive.log)
    archive.frames(instance, "1,2,3,4")  # maybe a hit: the last second before the end is looked at again
    archive.wait_until_cached(instance)
    assert_served(archive, stored, "hit")


def test_of_a_stored_file_that_is_cut_short_or_broken_the_good_frames_come(
    archive: Archive,
) -> None:
    """As a dying disk of the archive leaves them; Orthanc itself remembers files until its end."""
    samples = [replace(SMALL, seed=next(SEEDS), encoding=encoding) for encoding in ("explicit", "rle")]
    cut, broken = instances = [archive.store(sample) for sample in samples]
    paths = [stored_file(archive, instance) for instance in instances]
    for instance in instances:
        purge = f"/frame-cache/instances/{instance.orthanc_id}/purge"
        archive.ask("POST", purge, headers={"X-Frame-Cache": "1"}).raise_for_status()
    stop(archive.server)
    os.truncate(paths[0], paths[0].stat().st_size - SMALL.rows * SMALL.columns * 3)
    content = paths[1].read_bytes()
    paths[1].write_bytes(content.replace(b"\xfe\xff\x00\xe0", b"\xfe\xff\xff\xff"))
    archive.server.start()
    archive.wait_until_checked()

    assert [archive.frames(cut, number).status_code for number in "1234"] == [200, 200, 500, 500]
    wanted = [frame.tobytes() for frame in samples[0].pixels()][:2]
    assert [part.payload for part in archive.parts(cut, "1,2")] == wanted
    lack = "the stored file lacks the last 2 of 4 frames"
    wait_until(lambda: archive.progress(cut)["LastError"] == lack, lambda: str(archive.progress(cut)))
    assert (archive.progress(cut)["CachedFrames"], archive.progress(cut)["FailedFrames"]) == (2, [3, 4])
    assert archive.frames(cut, "1").headers["X-Frame-Cache"] == "hit"

    assert [archive.frames(broken, number).status_code for number in "1234"] == [500] * 4
    wait_until(lambda: archive.progress(broken)["State"] == "failed", lambda: str(archive.progress(broken)))
    assert archive.status()["FailedInstances"].keys() == {broken.orthanc_id}
    assert f"frame cache: caching instance {broken.orthanc_id} failed: " in archive.log
    assert archive.status()["Errors"] == 0


def stored_file(archive: Archive, instance: Instance) -> Path:
    uuid: str = archive.get_json(f"/instances/{instance.orthanc_id}/attachments/dicom/info")["Uuid"]
    return archive.server.folder / "storage" / uuid[:2] / uuid[2:4] / uuid


def test_nothing_is_written_to_a_disk_with_too_little_left(suite: str, tmp_path: Path) -> None:
    section = {"FrameCache": {"MinimumFreeDiskMB": 1_000_000_000}}
    with running(suite, tmp_path, section, in_order=False) as archive:
        stored = new(archive, cached=False)
        wait_until(lambda: reason(archive) == "less than 1000000000 MiB (MinimumFreeDiskMB) are free")
        assert_served(archive, stored, "miss")
        assert archive.cached_files() == set()
        assert stop(archive.server) < 5


@pytest.mark.parametrize("suite", SUITES[-1:], indirect=True)
def test_what_nobody_asks_for_goes_and_a_pinned_study_stays(suite: str, tmp_path: Path) -> None:
    section = {"FrameCache": {"MaximumAgeDays": 3 / 86400}}
    with running(suite, tmp_path, section, in_order=False) as archive:
        pinned = new(archive, cached=False)
        study = archive.get_json(f"/instances/{pinned[0].orthanc_id}/study")
        pin = f"/frame-cache/studies/{study['ID']}/pin"
        archive.ask("POST", pin, headers={"X-Frame-Cache": "1"}).raise_for_status()
        archive.wait_until_cached(pinned[0])
        left = new(archive)
        wait_until(lambda: archive.progress(left[0])["CachedFrames"] == 0)
        assert archive.status()["PinnedStudies"] == [pinned[1].study_instance_uid]
        assert_served(archive, pinned, "hit")
        restart(archive)
        assert_served(archive, pinned, "hit")
        archive.ask("POST", pin.replace("/pin", "/unpin"), headers={"X-Frame-Cache": "1"}).raise_for_status()
        wait_until(lambda: archive.progress(pinned[0])["CachedFrames"] == 0)
        assert archive.status()["PinnedStudies"] == []
