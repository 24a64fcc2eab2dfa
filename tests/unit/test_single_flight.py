"""Many who want the same: it is done once, everybody has it, and nothing stays behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor

import pytest
from framecache.errors import Overloaded, SourceError
from framecache.single_flight import SharedReads, SingleFlight

from tests.unit.fakes import eventually

MANY = 50


class Work:
    """Counts how often it is done; it takes until `may_end`."""

    def __init__(self, fails: bool = False) -> None:  # noqa: FBT001, FBT002
        self.times, self.fails, self.begun, self.may_end = 0, fails, threading.Event(), threading.Event()

    def __call__(self) -> bytes:
        self.times += 1
        self.begun.set()
        assert self.may_end.wait(30)
        if self.fails:
            raise SourceError("the disk")
        return b"frame"

    def read(self, target: memoryview) -> None:
        target[:] = self()


class Key:
    """One that tells how often somebody looked for it: the first looks and enters it, each other one only looks."""

    def __init__(self) -> None:
        self.looks = 0

    def __hash__(self) -> int:
        self.looks += 1
        return 0


def read(reads: SharedReads, work: Work, key: Hashable = "key") -> bytes:
    target = bytearray(5)
    with memoryview(target) as view:
        reads.read_into(key, view, work.read)
    return bytes(target)


def many(work: Work, key: Key, one: Callable[[], bytes]) -> list[bytes | str]:
    """What each of many has got, all of whom asked for `key` before the first was done."""

    come = threading.Barrier(MANY + 1)

    def attempt(_: int) -> bytes | str:
        come.wait(30)
        try:
            return one()
        except SourceError as error:
            return str(error)

    with ThreadPoolExecutor(MANY) as pool:
        answers = pool.map(attempt, range(MANY))
        come.wait(30)
        assert work.begun.wait(30)
        assert eventually(lambda: key.looks == MANY + 1)
        work.may_end.set()
        return list(answers)


@pytest.mark.parametrize("fails", [False, True])
def test_a_call_is_made_once(*, fails: bool) -> None:
    flights, work, key = SingleFlight[bytes](30), Work(fails), Key()

    assert set(many(work, key, lambda: flights.join(key, work))) == {"the disk" if fails else b"frame"}
    assert work.times == 1
    assert not flights.under_way


@pytest.mark.parametrize("fails", [False, True])
def test_bytes_are_read_once_into_the_memory_of_each(*, fails: bool) -> None:
    reads, work, key = SharedReads(30), Work(fails), Key()

    assert set(many(work, key, lambda: read(reads, work, key))) == {"the disk" if fails else b"frame"}
    assert work.times == 1
    assert not reads.under_way


def test_who_comes_later_reads_anew() -> None:
    reads, work = SharedReads(10), Work()
    work.may_end.set()

    assert [read(reads, work), read(reads, work)] == [b"frame", b"frame"]
    assert work.times == 2


def test_the_first_does_not_wait_for_who_lost_patience() -> None:
    reads, work = SharedReads(0.05), Work()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(read, reads, work)
        assert work.begun.wait(30)
        with pytest.raises(Overloaded):
            read(reads, work)
        work.may_end.set()
        assert first.result(30) == b"frame"


def test_the_memory_of_the_first_is_his_until_all_have_copied_it() -> None:
    """He overwrites it at once, as the next answer would."""
    reads = SharedReads(10)

    def slowly(target: memoryview) -> None:
        time.sleep(0.02)
        target[:] = b"x" * len(target)

    def one(_: int) -> bool:
        target = bytearray(1 << 20)
        with memoryview(target) as view:
            reads.read_into("key", view, slowly)
            is_right = target == b"x" * len(target)
            view[:] = b"y" * len(view)
        return is_right

    with ThreadPoolExecutor(MANY) as pool:
        assert all(pool.map(one, range(MANY * 4)))
