"""Memory for answers: bounded, waited for, reused, given back whatever happens."""

from __future__ import annotations

import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from framecache.errors import Overloaded
from framecache.store.buffers import BufferPool
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fakes import FakeClock

KB, MB = 1 << 10, 1 << 20


@given(st.integers(0, 64 * MB))
def test_a_lease_is_as_long_as_asked_and_wastes_an_eighth_at_most(length: int) -> None:
    pool = BufferPool(limit=1, keep=0)
    with pool.lease(length) as view:
        assert len(view) == length
        assert not view.readonly
        assert length <= pool.leased <= length + max(64 * KB, length // 8 + 1)
    assert pool.leased == 0


def test_what_is_out_never_exceeds_the_limit() -> None:
    pool = BufferPool(limit=MB, keep=0)
    with pool.lease(512 * KB), pool.lease(512 * KB):
        assert pool.leased == MB
        with pytest.raises(Overloaded), pool.lease(1):
            pass
        assert pool.leased == MB
    with pool.lease(1):
        pass


def test_one_lease_larger_than_the_limit_goes_out_alone() -> None:
    pool = BufferPool(limit=MB, keep=0)
    with pool.lease(4 * MB) as view:
        assert len(view) == 4 * MB
        with pytest.raises(Overloaded), pool.lease(1):
            pass
    with pool.lease(1), pytest.raises(Overloaded), pool.lease(4 * MB):
        pass


def test_a_lease_waits_for_room_as_long_as_it_has_patience() -> None:
    pool = BufferPool(limit=MB, keep=0)
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with pool.lease(MB):
            held.set()
            release.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(30)
    started = time.monotonic()
    with pytest.raises(Overloaded), pool.lease(MB, patience=0.05):
        pass
    assert time.monotonic() - started >= 0.05
    threading.Timer(0.05, release.set).start()
    with pool.lease(MB, patience=60):
        assert release.is_set()
    holder.join()


def test_buffers_are_reused_within_their_size_class() -> None:
    pool = BufferPool(limit=16 * MB, keep=16 * MB)
    with pool.lease(MB) as view:
        view[:4] = b"mark"
    with pool.lease(MB - 3) as view:
        assert bytes(view[:4]) == b"mark"
    with pool.lease(2 * MB) as view:
        assert bytes(view[:4]) != b"mark"


def test_two_leases_at_once_never_share_memory() -> None:
    pool = BufferPool(limit=16 * MB, keep=16 * MB)
    with pool.lease(MB):
        pass
    with pool.lease(MB) as one, pool.lease(MB) as two:
        one[:] = b"1" * MB
        two[:] = b"2" * MB
        assert set(bytes(one)) == {ord("1")}


@pytest.mark.parametrize(("keep", "is_kept"), [(0, False), (MB - 1, False), (MB, True)])
def test_what_waits_for_reuse_is_bounded(keep: int, *, is_kept: bool) -> None:
    pool = BufferPool(limit=16 * MB, keep=keep)
    with pool.lease(MB) as view:
        view[:4] = b"mark"
    with pool.lease(MB) as view:
        assert (bytes(view[:4]) == b"mark") is is_kept


def lend(pool: BufferPool, length: int, times: int = 1) -> None:
    """Lease so many at once, and give all of them back."""
    with ExitStack() as stack:
        for _ in range(times):
            stack.enter_context(pool.lease(length))


def test_what_nobody_wants_any_more_is_let_go() -> None:
    clock = FakeClock()
    pool = BufferPool(limit=64 * MB, keep=64 * MB, idle_seconds=30, clock=clock)
    lend(pool, 9 * MB, 5)
    lend(pool, MB, 2)
    clock.now += 20
    lend(pool, MB)
    pool.trim()
    assert pool.kept == 47 * MB
    clock.now += 10
    pool.trim()
    assert pool.kept == MB, "the one that was used within the time"
    clock.now += 30
    pool.trim()
    assert pool.kept == 0


def test_a_burst_of_large_frames_keeps_no_later_size_from_being_reused() -> None:
    clock = FakeClock()
    pool = BufferPool(limit=64 * MB, keep=10 * MB, clock=clock)
    lend(pool, 5 * MB, 4)
    assert pool.kept == 10 * MB
    clock.now += 1
    with pool.lease(MB) as view:
        view[:4] = b"mark"
    with pool.lease(MB) as view:
        assert bytes(view[:4]) == b"mark"
    assert pool.kept == 6 * MB


class Buffer(bytearray):
    """One that can be watched."""


@given(st.lists(st.tuples(st.sampled_from([64 * KB, 100 * KB, 128 * KB, 300 * KB]), st.integers(0, 40)), max_size=40))
def test_what_is_kept_is_what_is_there(uses: list[tuple[int, int]]) -> None:
    clock, made = FakeClock(), list[weakref.ref[Buffer]]()

    def allocate(size: int) -> bytearray:
        made.append(weakref.ref(buffer := Buffer(size)))
        return buffer

    pool = BufferPool(limit=16 * MB, keep=512 * KB, clock=clock, allocate=allocate)
    for length, pause in uses:
        lend(pool, length, 2)
        clock.now += pause
        pool.trim()
        assert 0 <= pool.kept <= 512 * KB
        assert pool.kept == sum(len(buffer) for one in made if (buffer := one()) is not None)
        assert pool.leased == 0


def test_a_view_is_dead_when_its_lease_ends() -> None:
    pool = BufferPool(limit=MB, keep=MB)
    with pool.lease(10) as view:
        pass

    with pytest.raises(ValueError, match="released"):
        view[0] = 1


def test_an_error_inside_the_lease_gives_the_memory_back() -> None:
    pool = BufferPool(limit=MB, keep=0)
    with pytest.raises(RuntimeError), pool.lease(MB):
        raise RuntimeError
    assert pool.leased == 0


def test_memory_that_cannot_be_had_is_an_overload_and_costs_nothing() -> None:
    def no_memory(_size: int) -> bytearray:
        raise MemoryError

    pool = BufferPool(limit=MB, keep=0, allocate=no_memory)

    with pytest.raises(Overloaded, match="no memory"), pool.lease(MB):
        pass
    assert pool.leased == 0


def test_many_threads_share_the_budget_and_each_its_own_bytes() -> None:
    pool = BufferPool(limit=4 * MB, keep=2 * MB)
    most = 0

    def work(number: int) -> bool:
        nonlocal most
        mark = bytes([number]) * (64 * KB * (1 + number % 5))
        for _ in range(20):
            with pool.lease(len(mark), patience=60) as view:
                view[:] = mark
                most = max(most, pool.leased)
                time.sleep(0)
                if view != mark:
                    return False
        return True

    with ThreadPoolExecutor(16) as executor:
        assert all(executor.map(work, range(32)))
    assert pool.leased == 0
    assert most <= 4 * MB
