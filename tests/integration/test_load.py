"""Clients that stop reading, break off or come all at once, and helper processes that hang or die: others are answered,
or told to come again, and nothing stays behind."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from dev.orthanc_folder import SUITES
from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import AS_STORED, Archive, Endings, running, wait_until
from tests.integration.parts import parts_of

pytestmark = pytest.mark.orthanc

LARGE = Sample(frames=4)  # 2.6 MB each
SMALL = Sample(frames=3, rows=64, columns=96)
FRAME = 1280 * 1024 * 2
ANSWER = 4 * FRAME  # more than the kernel takes for a client that does not read
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close by a reset
STALLED, ABORTED, AT_ONCE = 30, 60, 200
MEMORY, HOLDING = 64 << 20, 5
NATIVE = "multipart/related; type=application/octet-stream"
WAITING = 6
SLACK = 4  # threads and descriptors that Orthanc itself has more or fewer from one moment to the next


@dataclass(frozen=True)
class Levels:
    """What the process has open."""

    descriptors: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> Levels:
        process = Path(f"/proc/{pid}")
        return cls(len(list((process / "fd").iterdir())), len(list((process / "task").iterdir())))

    def is_back(self, before: Levels) -> bool:
        return self.descriptors <= before.descriptors + SLACK and self.threads <= before.threads + SLACK


@pytest.fixture(scope="module")
def stored(archive: Archive) -> Instance:
    instance = archive.store(LARGE)
    archive.frames(instance, "1").raise_for_status()
    return instance


def ask(archive: Archive, path: str, receive_buffer: int | None = None) -> socket.socket:
    """A connection that has sent its request."""
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(60)
    connection.connect(("127.0.0.1", archive.server.port))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\nAccept: {AS_STORED}\r\n\r\n".encode())
    return connection


def break_off(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


def wait_until_all_is_back(archive: Archive, before: Levels) -> None:
    wait_until(lambda: archive.status()["BytesInFlight"] == 0, lambda: str(archive.status()["BytesInFlight"]))
    wait_until(lambda: Levels.of(archive.server.pid).is_back(before), lambda: str(Levels.of(archive.server.pid)))


def test_clients_that_stop_reading_keep_nobody_waiting_and_leave_nothing_behind(
    archive: Archive, stored: Instance
) -> None:
    before = Levels.of(archive.server.pid)
    with ExitStack() as stack:
        for _ in range(STALLED):
            path = f"{stored.path}/frames/1,2,3,4"
            stack.callback(break_off, ask(archive, path, receive_buffer=4096))
        wait_until(lambda: archive.status()["BytesInFlight"] >= STALLED * ANSWER)
        for number in range(1, LARGE.frames + 1):
            answer = archive.frames(stored, str(number))
            assert (answer.status_code, answer.headers["X-Frame-Cache"]) == (200, "hit")
            assert len(parts_of(answer)[0].payload) == FRAME
        assert archive.status()["BytesInFlight"] >= STALLED * ANSWER, "they were all still there"
        assert Levels.of(archive.server.pid).descriptors <= before.descriptors + STALLED + SLACK, (
            "connections, no files"
        )
    wait_until_all_is_back(archive, before)


def test_clients_that_break_off_half_way_leave_nothing_behind(archive: Archive, stored: Instance) -> None:
    before = Levels.of(archive.server.pid)
    for number in range(ABORTED):
        connection = ask(archive, f"{stored.path}/frames/1,2,3,4" if number % 2 else f"{stored.path}/rendered")
        if number % 3:
            assert connection.recv(5000)
        break_off(connection)
    assert archive.frames(stored, "1").headers["X-Frame-Cache"] == "hit"
    wait_until_all_is_back(archive, before)


def test_200_connections_at_once_are_all_answered(archive: Archive, stored: Instance) -> None:
    expected = {hashlib.sha256(frame.tobytes()).digest() for frame in LARGE.pixels()}
    before = Levels.of(archive.server.pid)
    connections = [ask(archive, f"{stored.path}/frames/{number % LARGE.frames + 1}") for number in range(AT_ONCE)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(payload_digest, connections))
    assert len(found) == AT_ONCE
    assert set(found) == expected
    wait_until_all_is_back(archive, before)


def payload_digest(connection: socket.socket) -> bytes:
    with connection, connection.makefile("rb") as stream:
        status = stream.readline()
        assert b" 200 " in status, status
        head = b"".join(iter(stream.readline, b"\r\n"))
        length = next(
            int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length")
        )
        body = stream.read(length)
    start = body.index(b"\r\n\r\n") + 4
    return hashlib.sha256(body[start : start + FRAME]).digest()


# Helper processes


@pytest.fixture(scope="module")
def helped(suite: str, tmp_path_factory: pytest.TempPathFactory, endings: Endings) -> Iterator[Archive]:
    """One process for viewers and one for what is done in the background, each with a deadline of two seconds.

    And the least memory for answers that can be set.
    """
    section = {
        "CodecSeconds": 2,
        "CodecProcesses": 1,
        "CodecMemoryMB": 1024,
        "Transcode": [{}],
        "MaximumMemoryMB": MEMORY >> 20,
    }
    with running(suite, tmp_path_factory.mktemp(suite), {"FrameCache": section}, endings=endings) as archive:
        yield archive


def helper(archive: Archive, niceness: int) -> int | None:
    """The process ID of the helper of this niceness, if it runs."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
            parent = int((path.parent / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        is_ours = parent == archive.server.pid and b"framecache.codecs.process" in words
        if is_ours and words[words.index(b"--niceness") + 1] == str(niceness).encode():
            return int(path.parent.name)
    return None


def running_helper(archive: Archive, niceness: int) -> int:
    found = helper(archive, niceness)
    assert found is not None
    return found


def draw(archive: Archive, instance: Instance, quality: int) -> requests.Response:
    """A picture that is not in the cache yet: no other has this quality."""
    return archive.get(f"{instance.path}/frames/1/rendered?quality={quality}", accept="image/jpeg")


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL, signal.SIGSEGV])
def test_a_helper_that_hangs_or_dies_costs_one_answer(helped: Archive, number: signal.Signals) -> None:
    instance = helped.store(SMALL)
    draw(helped, instance, number).raise_for_status()
    before, orthanc = running_helper(helped, 0), helped.server.pid
    levels = Levels.of(orthanc)
    os.kill(before, number)
    failed = draw(helped, instance, 40 + number)
    assert failed.status_code in (500, 503)
    assert failed.json()["Message"]
    assert helped.frames(instance, "1").headers["X-Frame-Cache"] == "hit"
    assert draw(helped, instance, 70 + number).status_code == 200
    assert running_helper(helped, 0) != before
    assert helped.server.pid == orthanc
    wait_until_all_is_back(helped, levels)


def test_one_that_dies_in_mid_work_is_told_at_once(helped: Archive) -> None:
    instance = helped.store(SMALL)
    draw(helped, instance, 30).raise_for_status()
    process = running_helper(helped, 0)
    os.kill(process, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(draw, helped, instance, 31)
        wait_until(lambda: is_waited_for(process))
        os.kill(process, signal.SIGKILL)
        assert answer.result().status_code == 500
    assert draw(helped, instance, 32).status_code == 200


def is_waited_for(process: int) -> bool:
    """Whether the stopped process has been sent bytes that it did not read (FIONREAD of its standard input)."""
    import array  # noqa: PLC0415
    import fcntl  # noqa: PLC0415
    import termios  # noqa: PLC0415

    waiting = array.array("i", [0])
    with open(
        f"/proc/{process}/fd/0", "rb", buffering=0, opener=lambda path, _: os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    ) as pipe:
        fcntl.ioctl(pipe, termios.FIONREAD, waiting)
    return waiting[0] > 0


def test_an_instance_on_which_a_helper_hangs_is_marked_and_not_tried_for_ever(helped: Archive) -> None:
    helped.store(SMALL)  # so that the background's process runs
    os.kill(running_helper(helped, 10), signal.SIGSTOP)
    broken = helped.store(replace(SMALL, seed=5), cached=False)
    wait_until(lambda: helped.progress(broken)["LastError"] is not None, lambda: str(helped.progress(broken)))
    failures = helped.status()["Failures"]
    assert helped.progress(broken)["LastError"]
    assert "frame cache: replacing a helper process: " in helped.log
    assert f"frame cache: caching instance {broken.orthanc_id} failed: " in helped.log
    for number in ("1", "2", "3"):
        assert helped.frames(broken, number).status_code == 200
        assert helped.frames(broken, number, "multipart/related; type=image/jls").status_code == 200
    status = helped.status()
    assert (status["Failures"], status["FailedInstances"].keys()) == (failures, {broken.orthanc_id})
    assert helped.store(replace(SMALL, seed=6)), "the next instance is taken in"


@pytest.mark.parametrize("suite", SUITES[-1:], indirect=True)
def test_while_all_helpers_are_busy_others_are_told_to_come_again(helped: Archive) -> None:
    """The first waits for the one that hangs, the second for the next one, and the others have waited long enough."""
    instance = helped.store(SMALL)
    draw(helped, instance, 10).raise_for_status()
    os.kill(running_helper(helped, 0), signal.SIGSTOP)
    with ThreadPoolExecutor(WAITING) as pool:
        answers = list(pool.map(lambda number: draw(helped, instance, 11 + number), range(WAITING)))
    busy = [answer for answer in answers if answer.status_code == 503]
    assert len(busy) >= WAITING // 2, answers
    assert {(one.headers["Retry-After"], one.json()["Message"]) for one in busy} == {
        ("1", "all helper processes are busy")
    }
    for number in range(WAITING):
        assert draw(helped, instance, 11 + number).status_code == 200
    assert (helped.status()["Errors"], helped.status()["FailedInstances"].get(instance.orthanc_id)) == (0, None)


@pytest.mark.parametrize("suite", SUITES[-1:], indirect=True)
def test_while_slow_readers_hold_all_memory_others_are_told_to_come_again(helped: Archive) -> None:
    large, small = helped.store(replace(LARGE, seed=7), cached=False), helped.store(SMALL)
    wait_until(lambda: helped.progress(large)["CachedFrames"] == LARGE.frames)
    before = Levels.of(helped.server.pid)
    with ExitStack() as stack:
        for _ in range(HOLDING):
            path = f"{large.path}/frames/1,2,3,4?accept={quote(NATIVE)}"  # and not the small form
            stack.callback(break_off, ask(helped, path, receive_buffer=4096))
        wait_until(lambda: helped.status()["BytesInFlight"] >= HOLDING * ANSWER)
        refused = helped.frames(large, "1,2,3,4", NATIVE)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert refused.json()["Message"] == "too many bytes are being answered at once"
        assert helped.status()["BytesInFlight"] <= MEMORY
        assert helped.frames(small, "1").headers["X-Frame-Cache"] == "hit", "there is room for so little"
    wait_until_all_is_back(helped, before)
    assert len(helped.parts(large, "1,2,3,4", NATIVE)) == LARGE.frames


@pytest.mark.parametrize("encoding", ["rle", "jpeg-ls", "explicit"])
def test_a_header_that_promises_four_thousand_million_pixels_costs_no_memory(helped: Archive, encoding: str) -> None:
    sample = replace(SMALL, encoding=encoding, seed=9)
    content = sample.write(helped.server.folder / "huge.dcm").read_bytes()
    for tag, value in ((b"\x28\x00\x10\x00US\x02\x00", SMALL.rows), (b"\x28\x00\x11\x00US\x02\x00", SMALL.columns)):
        element = tag + value.to_bytes(2, "little")
        assert content.count(element) == 1
        content = content.replace(element, tag + b"\xff\xff")
    instance = Instance(
        helped.upload(content), sample.study_instance_uid, sample.series_instance_uid, sample.sop_instance_uid
    )
    Path(f"/proc/{helped.server.pid}/clear_refs").write_text("5")
    for resource in ("frames/1/rendered", "frames/2/thumbnail", "rendered"):
        assert helped.ask("GET", f"{instance.path}/{resource}", allow_redirects=False).status_code == 500
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{helped.server.pid}/status").read_text().splitlines())
    peak, now = (int(fields[name].split()[0]) << 10 for name in ("VmHWM", "VmRSS"))
    assert peak - now < 200 << 20
    assert helped.store(SMALL)
