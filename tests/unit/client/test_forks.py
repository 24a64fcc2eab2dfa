"""Processes that are forked while other threads use a client: they use it, too, and keep nobody waiting."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from dicomweb_client.protocol import DICOMClient
from framecache.client import ComposedClient, DICOMfileClient, DICOMs3Client
from framecache.client.forks import FORKS, ForkAware
from framecache.tree.opening import open_tree
from framecache.tree.source import Source

from tests.unit.client.instances import stored, uids, write
from tests.unit.dicom_files import DEFLATED

FORKS_OF_A_TEST, PATIENCE = 15, 120  # seconds
FILES = {**{f"f{number}": stored(1, 1, number) for number in range(1, 9)}, "deflated": stored(1, 1, 9, DEFLATED)}


def of_files(folder: Path) -> DICOMfileClient:
    write(folder / "files", FILES)
    return DICOMfileClient(folder / "files", db_dir=folder / "index")


def in_memory(folder: Path) -> DICOMfileClient:
    write(folder / "copies", FILES)
    return DICOMfileClient(folder / "copies", in_memory=True)


def of_an_archive(folder: Path) -> DICOMs3Client:
    url = (folder / "archive").as_uri()
    with open_tree(url) as tree:
        list(tree.add(Source.content(content, name) for name, content in FILES.items()))
    return DICOMs3Client(url, db_dir=folder / "index")


def composed(folder: Path) -> ComposedClient:
    return ComposedClient([of_files(folder), in_memory(folder)], sequential=False)


@pytest.fixture(params=[of_files, in_memory, of_an_archive, composed])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    with closing(request.param(tmp_path)) as client:
        yield client


def forked(act: Callable[[], object]) -> int:
    """The process that does it; SIGALRM ends one that hangs, and any other status than 0 is a failure."""
    process = os.fork()
    if process:
        return process
    status = 1
    with contextlib.suppress(BaseException):  # else pytest would go on in the child
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(PATIENCE)
        act()
        status = 0
    os._exit(status)


def status_of(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


@contextmanager
def busy(act: Callable[[], object]) -> Iterator[None]:
    """While two threads do it, again and again."""
    is_over, failures = threading.Event(), list[BaseException]()

    def again() -> None:
        try:
            while not is_over.is_set():
                act()
        except BaseException as error:  # noqa: BLE001 - the test raises it
            failures.append(error)

    threads = [threading.Thread(target=again) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert not failures


def test_a_process_forked_while_threads_use_a_client_uses_it(client: DICOMClient) -> None:
    def use() -> None:
        assert len(client.search_for_instances(search_filters={"PatientName": "N*"})) == len(FILES)
        assert client.retrieve_instance_frames(*uids(1, 1, 9), [2]) == [bytes([25] * 23 + [2])]

    with busy(use):
        statuses = [status_of(forked(use)) for _ in range(FORKS_OF_A_TEST)]
    assert statuses == [0] * FORKS_OF_A_TEST
    use()


def test_what_forked_processes_and_the_old_one_store_is_all_found(tmp_path: Path) -> None:
    client = of_files(tmp_path)
    client.search_for_instances()

    def store(number: int) -> None:
        write(tmp_path / "files", {f"new{number}": stored(2, 1, number)})
        client.update()

    processes = [forked(lambda number=number: store(number)) for number in range(4)]  # type: ignore[misc]
    store(9)
    client.close()  # the last one to close in a process empties SQLite's log
    assert [status_of(process) for process in processes] == [0] * 4
    assert len(client.search_for_instances(uids(2, 1, 1)[0])) == 5
    assert DICOMfileClient(tmp_path / "files", db_dir=tmp_path / "index").update().read == 0


def test_a_process_forked_during_a_scan_keeps_nobody_from_the_next(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    reading, writing = os.pipe()
    processes: list[int] = []

    def wait() -> None:
        os.close(writing)
        os.read(reading, 1)

    client = DICOMfileClient(
        tmp_path, db_dir=tmp_path.parent / "index", progress=lambda _: processes.append(forked(wait))
    )
    again = threading.Thread(target=client.update)
    again.start()
    again.join(PATIENCE / 2)
    is_done = not again.is_alive()
    os.close(writing)
    assert [status_of(process) for process in processes] == [0] * len(processes)
    again.join()
    os.close(reading)
    assert processes
    assert is_done


class Noting(ForkAware):
    def __init__(self, notes: list[str]) -> None:
        self._notes = notes
        FORKS.tell(self)

    def before_fork(self) -> None:
        self._notes.append("before")

    def after_fork(self) -> None:
        self._notes.append("after")


def test_a_fork_waits_until_no_thread_is_inside_and_who_is_inside_may_come_in_again() -> None:
    notes: list[str] = []
    noting, is_inside = Noting(notes), threading.Event()

    def inside() -> None:
        with FORKS.held_off():
            is_inside.set()
            while "waiting" not in notes:  # at the fork, which cannot begin
                frames = sys._current_frames()  # noqa: SLF001 - the only way to see where a thread is
                if any(one.f_code.co_name == "_before" for one in _callers(frames[threading.main_thread().ident or 0])):
                    notes.append("waiting")
            with FORKS.held_off():
                notes.append("inside")

    thread = threading.Thread(target=inside)
    thread.start()
    assert is_inside.wait(PATIENCE)
    process = forked(lambda: _check(notes == ["waiting", "inside", "before", "after"]))
    assert status_of(process) == 0
    thread.join()
    assert notes == ["waiting", "inside", "before"]
    del noting


def test_who_forks_while_it_is_inside_comes_out_in_the_new_process_too() -> None:
    with FORKS.held_off():  # as a thread is whose signal's handler forks
        process = os.fork()
    if not process:
        thread = threading.Thread(target=lambda: os._exit(status_of(forked(lambda: None))), daemon=True)
        thread.start()
        thread.join(PATIENCE)
        os._exit(1)
    assert status_of(process) == 0


def _callers(frame: Any) -> Iterator[Any]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _check(is_right: bool) -> None:  # noqa: FBT001
    assert is_right
