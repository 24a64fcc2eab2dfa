"""What lies in memory whole: once for all who read it, and no more of it together than the limit."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from framecache.errors import HandOver, InstanceGone, Overloaded
from framecache.shared_buffers import SharedBuffer, SharedBuffers


class Loader:
    """Loads so many bytes, and counts how often."""

    def __init__(self, contents: SharedBuffers, length: int, patience: float = 0.0) -> None:
        self.contents, self.length, self.patience, self.calls = contents, length, patience, 0

    def __call__(self, content: SharedBuffer) -> bytes:
        self.contents.take(self.length, content, self.patience)
        self.calls += 1
        return bytes(self.length)


def test_what_is_open_is_shared_and_what_nobody_reads_is_given_back() -> None:
    contents = SharedBuffers(100)
    load = Loader(contents, 60)
    with contents.hold("a", load) as first, contents.hold("a", load) as second:
        assert first is second
        assert (load.calls, contents.taken, contents.users) == (1, 60, 2)
    assert (contents.taken, contents.users) == (0, 0)
    with contents.hold("a", load):
        assert load.calls == 2


def test_what_is_alone_too_large_is_left_to_others() -> None:
    contents = SharedBuffers(100)
    with pytest.raises(HandOver), contents.hold("a", Loader(contents, 101)):
        pass
    assert contents.taken == 0


def test_who_may_wait_gets_the_room_of_those_who_end() -> None:
    contents, opened, may_end = SharedBuffers(100), threading.Event(), threading.Event()

    def read_for_a_while() -> None:
        with contents.hold("a", Loader(contents, 60)):
            opened.set()
            may_end.wait(30)

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_for_a_while)
        assert opened.wait(30)
        with pytest.raises(Overloaded), contents.hold("b", Loader(contents, 60)):
            pass
        threading.Timer(0.05, may_end.set).start()
        with contents.hold("b", Loader(contents, 60, patience=30.0)) as content:
            assert (len(content), contents.taken) == (60, 60)
        reading.result()
    assert contents.taken == 0


def test_a_failure_is_told_to_all_who_wait_and_takes_no_room() -> None:
    contents, both = SharedBuffers(100), threading.Barrier(2)

    def fail(content: SharedBuffer) -> bytes:
        contents.take(60, content)
        both.wait(30)
        while contents.users < 2:
            time.sleep(0.001)
        raise InstanceGone("replaced")

    def read(is_first: bool) -> str:  # noqa: FBT001 - called by map
        if not is_first:
            both.wait(30)
        with pytest.raises(InstanceGone) as error, contents.hold("a", fail):
            pass
        return str(error.value)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(read, (True, False))) == ["replaced"] * 2
    assert (contents.taken, contents.users) == (0, 0)
