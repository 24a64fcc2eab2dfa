"""The plugin's own threads."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import pytest
from framecache import threads
from framecache.errors import FrameCacheError, NotFound, Stopping
from framecache.threads import Desk, lower_priority, side_by_side, start_thread


def test_threads_are_daemons() -> None:
    thread = start_thread("test", lambda: None)
    thread.join(30)

    assert thread.daemon, "others hang Orthanc's shutdown"


def test_calls_run_on_the_desk_and_hand_back_results_and_errors() -> None:
    desk = Desk("test", 1)

    def fail() -> None:
        raise NotFound("gone")

    assert desk.call(lambda: threading.current_thread().name) == "test-0"
    with pytest.raises(NotFound, match="gone"):
        desk.call(fail)
    assert desk.call(lambda: 7) == 7
    desk.close()


def test_a_call_that_takes_too_long_is_an_error_of_ours() -> None:
    desk, done = Desk("test", 1), threading.Event()
    with pytest.raises(FrameCacheError, match="do not answer"):
        desk.call(lambda: done.wait(5), timeout=0.02)
    done.set()
    desk.close()


def test_a_closed_desk_ends_after_the_calls_that_wait() -> None:
    desk, order = Desk("closed", 2), list[int]()
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("closed-")]
    assert len(threads) == 2
    for number in range(5):
        desk.call(lambda number=number: order.append(number))  # type: ignore[misc]
    desk.close()
    for thread in threads:
        thread.join(30)

    assert order == [0, 1, 2, 3, 4]
    with pytest.raises(Stopping):
        desk.call(lambda: 1)
    assert not any(thread.is_alive() for thread in threads)


def test_making_way_changes_no_other_thread() -> None:

    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    start_thread("test", lower_priority).join(30)
    time.sleep(0)

    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


@pytest.mark.parametrize("most", [1, 2, 4])
def test_work_side_by_side_is_done_once_each_and_by_no_more_threads_than_allowed(most: int) -> None:
    done, by = list[int](), set[int]()
    together = threading.Barrier(most)

    def work(value: int) -> None:
        if value < most:
            together.wait(30)  # each thread has one of them
        done.append(value)
        by.add(threading.get_ident())

    side_by_side(work, range(50), most)

    assert sorted(done) == list(range(50))
    assert len(by) == most


@pytest.mark.parametrize("startable", [0, 1])
def test_work_side_by_side_is_done_where_no_more_threads_start(monkeypatch: pytest.MonkeyPatch, startable: int) -> None:
    started = list[threading.Thread]()

    def start(name: str, function: Callable[[], None]) -> threading.Thread:
        if len(started) == startable:
            raise RuntimeError("can't start new thread")
        started.append(start_thread(name, function))
        return started[-1]

    monkeypatch.setattr(threads, "start_thread", start)
    done = list[int]()
    side_by_side(done.append, range(50), 4)

    assert sorted(done) == list(range(50))
    assert not any(thread.is_alive() for thread in started)
