"""An instance of 2 GB is never held in memory, whether its frames are missed or cut out beforehand."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from dev.pixel_data_writer import write_native
from dev.sample import Sample
from tests.integration.archive import Archive, instance_of, running, wait_until
from tests.integration.parts import parts_of

pytestmark = [pytest.mark.orthanc, pytest.mark.slow]

MEGABYTE = 1 << 20
# 231 × 9.3 MB; the small one has the same header but for two numbers of two bytes.
LARGE = Sample(frames=231, rows=2457, columns=1890)
SMALL = replace(LARGE, rows=16, columns=16)
FRAME_LENGTH = LARGE.rows * LARGE.columns * 2


def test_a_missed_frame_and_the_extraction_behind_it_hold_a_few_frames_in_memory(suite: str, tmp_path: Path) -> None:
    with running(suite, tmp_path, {"FrameCache": {"Enable": False}}) as archive:
        instance = instance_of(SMALL, archive.upload(SMALL.write(tmp_path / "small.dcm").read_bytes()))
    size = enlarge_stored_file(tmp_path / "storage", SMALL, LARGE)
    assert size > 2000 * MEGABYTE
    with running(suite, tmp_path, in_order=False) as archive:
        before = peak_memory(archive, reset=True)
        answer = archive.frames(instance, "200")
        assert answer.headers["X-Frame-Cache"] == "miss"
        assert [part.payload for part in parts_of(answer)] == [bytes(FRAME_LENGTH)]
        wait_until(lambda: archive.progress(instance)["CachedFrames"] >= 20, lambda: str(archive.progress(instance)))
        grown = peak_memory(archive) - before
        assert 0 < grown < size / 10
        archive.delete(f"/instances/{instance.orthanc_id}")


def enlarge_stored_file(storage: Path, small: Sample, large: Sample) -> int:
    """Make the one stored instance a large one, of zeros that take no room on the disk; return its length in bytes.

    An upload would take Orthanc itself, which parses what it is sent, several times as many bytes of memory.
    """
    header = header_of(large, storage / "header.dcm")
    length = len(header) + FRAME_LENGTH * large.frames
    with sqlite3.connect(storage / "index") as index:
        ((uuid, small_length),) = index.execute("SELECT uuid, uncompressedSize FROM AttachedFiles WHERE fileType = 1")
        index.execute("UPDATE AttachedFiles SET compressedSize = ?, uncompressedSize = ?", (length, length))
    index.close()
    path = storage / uuid[:2] / uuid[2:4] / uuid
    assert path.stat().st_size == small_length == len(header) + small.rows * small.columns * 2 * small.frames
    path.write_bytes(header)
    os.truncate(path, length)
    return length


def header_of(sample: Sample, path: Path) -> bytes:
    """The file of `sample` up to the value of its Pixel Data."""
    write_native(path, sample.dataset(), [], FRAME_LENGTH)
    return path.read_bytes()


def peak_memory(archive: Archive, *, reset: bool = False) -> int:
    """The most bytes that were resident in Orthanc since the last reset (proc(5), clear_refs)."""
    process = Path("/proc") / str(archive.server.pid)
    if reset:
        (process / "clear_refs").write_text("5")
    fields = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) * 1024
