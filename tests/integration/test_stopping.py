"""Orthanc ends within five seconds, in order, whatever the plugin is at; who asks meanwhile is told to come again."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from dev.console import CHECKOUT
from dev.orthanc_folder import SUITES
from dev.orthanc_server import OrthancServer
from dev.pixel_data_writer import write_native
from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import CONFIGURATION, Archive, instance_of, wait_until
from tests.integration.processes import children_of, command_of

pytestmark = pytest.mark.orthanc

STOP_SECONDS = 5.0
SAMPLE = Sample(frames=24, rows=512, columns=512)
FRAME_LENGTH = SAMPLE.rows * SAMPLE.columns * 2
STREAMS = 20
# Hangs before it says hello for as long as the file "hang" is there.
PYTHON = """#!/bin/sh
echo $$ > '{folder}/started'
[ -e '{folder}/hang' ] && exec sleep 300
exec python3 "$@"
"""
# Orthanc answers requests until its last event is done with.
SCRIPT = """
import sys, time
sys.path.append({plugin!r})
import orthanc
from framecache import install

def on_change(change, level, resource):
    if change == orthanc.ChangeType.ORTHANC_STOPPED:
        time.sleep(0.4)

install(orthanc, on_change)
"""
SECTION = {
    "Transcode": [{}],
    "MaximumAnswerMB": 1,
    "Workers": 1,
    "CodecProcesses": 1,
    "CodecSeconds": 120,
    "WarmStudy": "study",
}


@dataclass(frozen=True)
class Site:
    """An Orthanc that is started and stopped by each test, with one instance that is cached and several that are not.

    `python` is the folder of the interpreter's switch.
    """

    archive: Archive
    python: Path

    @property
    def server(self) -> OrthancServer:
        return self.archive.server

    @contextmanager
    def started(self) -> Iterator[Archive]:
        """It is killed at the end if it has not ended, and all that it started."""
        self.server.start()
        try:
            yield self.archive
        finally:
            if self.server.is_started:
                self.server.kill()


@pytest.fixture(scope="module")
def site(suite: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp(suite)
    python, script = folder / "python", folder / "script.py"
    python.write_text(PYTHON.format(folder=folder))
    python.chmod(0o755)
    script.write_text(SCRIPT.format(plugin=str(CHECKOUT / "plugin")))
    section = {**SECTION, "Python": str(python)}
    configuration = {**CONFIGURATION, "PythonScript": str(script), "FrameCache": section}
    return Site(Archive(OrthancServer(suite, folder / "orthanc", configuration)), folder)


def upload(archive: Archive, seed: int) -> Instance:
    """Noise, of which each frame takes some tenths of a second to encode."""
    sample = Sample(frames=SAMPLE.frames, rows=SAMPLE.rows, columns=SAMPLE.columns, seed=seed)
    path = archive.server.folder / "noise.dcm"
    write_native(path, sample.dataset(), (os.urandom(FRAME_LENGTH) for _ in range(SAMPLE.frames)), FRAME_LENGTH)
    return instance_of(sample, archive.upload(path.read_bytes()))


def assert_ends(server: OrthancServer, *processes: int) -> None:
    """In order, in time, and with all that it started: nothing is killed behind it."""
    process, started = server.process, time.monotonic()
    process.terminate()
    assert process.wait(30) == 0, server.last_lines()
    seconds = time.monotonic() - started
    assert seconds < STOP_SECONDS, f"it took {seconds:.1f} s"
    wait_until(lambda: not any(Path(f"/proc/{process}").exists() for process in processes))


@pytest.mark.parametrize("suite", SUITES[:1], indirect=True)
def test_while_the_start_up_check_waits_for_a_helper_process(site: Site) -> None:
    switch, started = site.python / "hang", site.python / "started"
    switch.touch()
    try:
        with site.started():
            wait_until(lambda: started.exists() and bool(started.read_text()))
            assert_ends(site.server, int(started.read_text()))
    finally:
        switch.unlink()


@pytest.mark.parametrize("suite", SUITES[1:], indirect=True)
def test_what_a_viewer_opened_and_the_rest_of_its_study_wait_on_behind_the_next_start(site: Site) -> None:
    """Orthanc's log of changes tells of it no more: it came long ago, was cached, and left the cache."""
    with site.started() as archive:
        archive.wait_until_checked()
        study = [archive.store(Sample(frames=2, rows=64, columns=96, seed=9, series_number=n)) for n in (1, 2)]
        busy = upload(archive, 10)
        wait_until(lambda: archive.progress(busy)["CachedFrames"] == SAMPLE.frames)
        helper = hang_the_codec_of_fills(archive)
        for one in study:
            purge = f"/frame-cache/instances/{one.orthanc_id}/purge"
            archive.ask("POST", purge, headers={"X-Frame-Cache": "1"}).raise_for_status()
        assert archive.frames(study[0], "1").headers["X-Frame-Cache"] == "miss"
        wait_until(lambda: all(archive.progress(one)["State"] == "queued" for one in study))
        assert_ends(archive.server, helper)
    with site.started() as archive:
        wait_until(lambda: all(archive.progress(one)["State"] == "cached" for one in study))
        assert_ends(archive.server)


def test_while_it_fills_a_codec_hangs_and_answers_are_being_sent(site: Site) -> None:
    with site.started() as archive, ThreadPoolExecutor(30) as pool, ExitStack() as stack:
        archive.wait_until_checked()
        instance = upload(archive, 1)
        for seed in (2, 3, 4):
            upload(archive, seed)
        streams = [stack.enter_context(stalled(archive, instance)) for _ in range(STREAMS)]
        helper = hang_a_codec(archive, instance)
        waiting = pool.submit(answer_to, archive, f"{instance.path}/frames/2/rendered")
        assert archive.status()["QueueLength"] > 0
        assert archive.status()["BytesInFlight"] >= STREAMS * FRAME_LENGTH
        asking = [pool.submit(answers_until_the_end, archive, instance, path) for path in PATHS]
        assert not waiting.done()
        assert_ends(archive.server, helper)
        assert waiting.result() in (COME_AGAIN, None)
        for path, future in zip(PATHS, asking, strict=True):
            assert COME_AGAIN in future.result(), path
            assert future.result() <= {"200", COME_AGAIN}, path
        assert not any(is_whole(stream) for stream in streams)


COME_AGAIN = "503, Retry-After: 10, Orthanc is stopping"
PATHS = ("/frames/1", "/frames/1,2", "/frames", "/frames/1/rendered", "/rendered", "/thumbnail", "", "/../../rendered")


@contextmanager
def stalled(archive: Archive, instance: Instance) -> Iterator[socket.socket]:
    """A client that asked for all frames, and reads no further than their beginning."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect(("127.0.0.1", archive.server.port))
        connection.sendall(f"GET {instance.path}/frames HTTP/1.1\r\nHost: here\r\nAccept: */*\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        yield connection


def is_whole(connection: socket.socket) -> bool:
    """Whether the rest of an answer has its closing delimiter."""
    rest = b""
    with suppress(ConnectionError):
        while received := connection.recv(1 << 16):
            rest = rest[-100:] + received
    return re.search(rb"--\r\n(0\r\n\r\n)?$", rest) is not None


def hang_a_codec(archive: Archive, instance: Instance) -> int:
    """Stop the process that draws for viewers."""
    archive.get(f"{instance.path}/frames/1/rendered").raise_for_status()
    (helper,) = (pid for pid in children_of(archive.server.pid) if niceness_of(pid) == b"0")
    os.kill(helper, signal.SIGSTOP)
    return helper


def hang_the_codec_of_fills(archive: Archive) -> int:
    """Stop the process that makes small forms, so that the only worker waits for it."""
    found: list[int] = []

    def is_there() -> bool:
        found[:] = [pid for pid in children_of(archive.server.pid) if niceness_of(pid) not in (None, b"0")]
        return bool(found)

    wait_until(is_there)
    os.kill(found[0], signal.SIGSTOP)
    return found[0]


def niceness_of(pid: int) -> bytes | None:
    words = command_of(pid)
    return words[words.index(b"--niceness") + 1] if b"--niceness" in words else None


def answer_to(archive: Archive, path: str) -> str | None:
    """The status, with what is said if it is none of success; None where there is no answer."""
    try:
        answer = archive.ask("GET", path, allow_redirects=False, headers={"Accept": "*/*"}, stream=True)
        with answer:
            if answer.ok and answer.status_code == 200:
                return "200"
            message = answer.json()["Message"] if answer.text.startswith("{") else answer.text
            return f"{answer.status_code}, Retry-After: {answer.headers.get('Retry-After')}, {message}"
    except requests.RequestException:
        return None


def answers_until_the_end(archive: Archive, instance: Instance, path: str) -> set[str]:
    found: set[str] = set()
    # requests would take the dots out of the path; the series' picture has an address of its own.
    address = instance.path + path if ".." not in path else instance.path.partition("/instances/")[0] + "/rendered"
    until_it_is_gone: Callable[[], str | None] = lambda: answer_to(archive, address)  # noqa: E731
    for answer in iter(until_it_is_gone, None):
        found.add(answer)
        threading.Event().wait(0.02)
    return found


@pytest.mark.parametrize("suite", SUITES[1:], indirect=True)
def test_while_it_catches_up_with_what_the_last_stop_interrupted(site: Site) -> None:
    with site.started() as archive:
        wait_until(lambda: archive.status()["QueueLength"] > 0, lambda: str(archive.status()))
        assert_ends(archive.server)
