"""Fifty viewers ask for the same cold frame at once: the work is done once. And a burst's memory goes back."""

from __future__ import annotations

import io
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from dev.orthanc_folder import SUITES
from dev.pixel_data_writer import write_native
from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import AS_STORED, Archive, instance_of, running, wait_until
from tests.integration.processes import children_of, command_of

pytestmark = pytest.mark.orthanc

VIEWERS = 50
SIDE = 1024
SAMPLE = Sample(frames=16, rows=SIDE, columns=SIDE)
FRAME_LENGTH = SIDE * SIDE * 2
EXPLICIT = "multipart/related; type=application/octet-stream"
JPEG_LS = 'multipart/related; type="image/jls"; transfer-syntax=1.2.840.10008.1.2.4.80'
BURST = 256 << 20  # bytes; the answers of all have 800 MiB
SMALL_CHANGE = 1 << 20  # bytes that are read beside the frames: SQLite, the header, /proc


@pytest.fixture(scope="module", params=SUITES[-1:])
def suite(request: pytest.FixtureRequest) -> str:
    """What is shared is shared in Python: the suite does not matter."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def archive(suite: str, folder: Path) -> Iterator[Archive]:
    """One thread for each viewer and some more; one process that draws and transcodes, which two seconds do not end."""
    section = {"CodecProcesses": 1, "Workers": 1, "MinimumFrameMB": 16}
    configuration = {"HttpThreadsCount": 80, "FrameCache": section}
    with running(suite, folder / "orthanc", configuration, in_order=False) as archive:
        yield archive


@dataclass(frozen=True)
class Stored:
    """An instance of noise, and its frames."""

    instance: Instance
    frames: tuple[bytes, ...]
    size: int


def store(
    archive: Archive, seed: int, frames: int = SAMPLE.frames, *, deflated: bool = False, side: int = SIDE
) -> Stored:
    """Noise, which nothing makes smaller. A single frame of this size is left out by the settings: it stays cold."""
    sample = Sample(frames=frames, rows=side, columns=side, seed=seed)
    pixels = np.random.default_rng(seed).integers(0, 1 << 12, (frames, side, side), np.uint16)
    path, noise = archive.server.folder / "noise.dcm", tuple(frame.tobytes() for frame in pixels)
    write_native(path, sample.dataset(), noise, len(noise[0]))
    content = path.read_bytes()
    if deflated:
        data_set, stream = pydicom.dcmread(path), io.BytesIO()
        data_set.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        data_set.save_as(stream)
        content = stream.getvalue()
    return Stored(instance_of(sample, archive.upload(content)), noise, len(content))


class Viewers:
    """They have sent the same request, and read when they are told to."""

    def __init__(self, archive: Archive, stack: ExitStack, path: str, accept: str = AS_STORED) -> None:
        self.connections = [stack.enter_context(socket.socket()) for _ in range(VIEWERS)]
        for connection in self.connections:
            connection.settimeout(60)
            connection.connect(("127.0.0.1", archive.server.port))
            lines = (f"GET {path} HTTP/1.1", "Host: here", f"Accept: {accept}", "Connection: close", "", "")
            connection.sendall("\r\n".join(lines).encode())

    def answers(self) -> list[bytes]:
        with ThreadPoolExecutor(VIEWERS) as pool:
            return list(pool.map(whole_answer, self.connections))


def held_up(archive: Archive, stack: ExitStack, path: str, accept: str = AS_STORED) -> Viewers:
    """Viewers whose requests Orthanc sees when all of them are there."""
    os.kill(archive.server.pid, signal.SIGSTOP)
    try:
        return Viewers(archive, stack, path, accept)
    finally:
        os.kill(archive.server.pid, signal.SIGCONT)


def whole_answer(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(1 << 20), b""))


def bytes_read(process: int) -> int:
    """By all system calls that read, from a disk or not."""
    fields = dict(line.split(": ") for line in Path(f"/proc/{process}/io").read_text().splitlines())
    return int(fields["rchar"])


def test_a_cold_instance_is_cut_out_once(archive: Archive) -> None:
    """They ask for its last frame, as soon as it has arrived."""
    before = archive.status()
    stored = store(archive, 1)
    with ExitStack() as stack:
        answers = Viewers(archive, stack, f"{stored.instance.path}/frames/{SAMPLE.frames}").answers()
        archive.wait_until_cached(stored.instance)
    assert all(stored.frames[-1] in answer for answer in answers)
    status = archive.status()
    assert status["ExtractedInstances"] - before["ExtractedInstances"] == 1
    assert status["ExtractedFrames"] - before["ExtractedFrames"] == SAMPLE.frames


def test_a_deflated_instance_is_inflated_once(archive: Archive) -> None:
    """They come together, as Orthanc is held up. An instance of one small frame is never cached."""
    stored, orthanc = store(archive, 2, frames=1, deflated=True), archive.server.pid
    begin = bytes_read(orthanc)
    with ExitStack() as stack:
        answers = held_up(archive, stack, f"{stored.instance.path}/frames/1", EXPLICIT).answers()
    read = bytes_read(orthanc) - begin
    assert all(stored.frames[0] in answer for answer in answers)
    assert read < VIEWERS / 2 * FRAME_LENGTH


def test_a_cold_native_frame_is_read_for_many_at_once(archive: Archive) -> None:
    """They come together, as Orthanc is held up; those who come behind a read that has ended cause another."""
    stored = store(archive, 7, frames=1, side=2 * SIDE)
    length, orthanc = len(stored.frames[0]), archive.server.pid
    archive.frames(stored.instance, "1").raise_for_status()  # where it lies is found
    begin = bytes_read(orthanc)
    with ExitStack() as stack:
        answers = held_up(archive, stack, f"{stored.instance.path}/frames/1").answers()
    read = bytes_read(orthanc) - begin
    assert all(stored.frames[0] in answer for answer in answers)
    assert length <= read < VIEWERS / 2 * length


@pytest.mark.parametrize(("resource", "accept"), [("frames/1", JPEG_LS), ("frames/1/rendered", "image/jpeg")])
def test_a_frame_is_transcoded_or_drawn_once(archive: Archive, resource: str, accept: str) -> None:
    """They wait for a process that is stopped until all of them have come."""
    warm, stored = store(archive, 3), store(archive, 4 + ("rendered" in resource))
    archive.get(f"{warm.instance.path}/{resource}", accept=accept).raise_for_status()
    helper = helper_of(archive)
    with ExitStack() as stack:
        os.kill(helper, signal.SIGSTOP)
        try:
            begin = bytes_read(helper)
            viewers = Viewers(archive, stack, f"{stored.instance.path}/{resource}", accept)
            wait_until(lambda: threads_of(archive) >= VIEWERS)
            time.sleep(0.5)
        finally:
            os.kill(helper, signal.SIGCONT)
        answers = viewers.answers()
    assert {answer.split(b" ", 2)[1] for answer in answers} == {b"200"}
    assert FRAME_LENGTH <= bytes_read(helper) - begin < FRAME_LENGTH + SMALL_CHANGE
    assert len({answer[-5000:] for answer in answers}) == 1
    assert archive.get(f"{stored.instance.path}/{resource}", accept=accept).headers["X-Frame-Cache"] == "hit"


def helper_of(archive: Archive) -> int:
    for child in children_of(archive.server.pid):
        if b"--niceness\x000\x00" in b"\0".join(command_of(child)):
            return child
    raise AssertionError("no process draws")


def threads_of(archive: Archive) -> int:
    return len(list(Path(f"/proc/{archive.server.pid}/task").iterdir()))


def test_the_memory_of_a_burst_goes_back(archive: Archive) -> None:
    stored = store(archive, 6)
    archive.wait_until_cached(stored.instance)
    quiet = resident(archive)
    with ExitStack() as stack:
        viewers = Viewers(archive, stack, f"{stored.instance.path}/frames/1,2,3,4,5,6,7,8")
        wait_until(lambda: resident(archive) > quiet + BURST)  # they do not read yet
        viewers.answers()
    wait_until(lambda: resident(archive) < quiet + BURST // 8, lambda: str((quiet, resident(archive))))


def resident(archive: Archive) -> int:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{archive.server.pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) << 10
