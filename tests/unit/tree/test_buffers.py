"""Memory for objects that are being written is bounded, and used again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from framecache.tree.buffers import Buffers

from tests.unit.fakes import eventually


def test_whoever_asks_for_too_much_waits_for_others() -> None:
    buffers = Buffers(100, reuse=True)
    first = buffers.take(60)
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(buffers.take, 60)
        assert not second.done()
        buffers.give_back(first)
        assert len(second.result(60)) == 60


def test_more_than_all_is_lent_alone() -> None:
    buffers = Buffers(100, reuse=True)
    large = buffers.take(200_000)
    with ThreadPoolExecutor(1) as pool:
        small = pool.submit(buffers.take, 1)
        buffers.give_back(large)
        assert eventually(small.done)


@pytest.mark.parametrize("reuse", [True, False])
def test_memory_is_lent_again_if_nobody_else_may_read_it(*, reuse: bool) -> None:
    buffers = Buffers(1 << 20, reuse=reuse)
    buffer = buffers.take(100_000)
    memory = buffer.obj
    buffers.give_back(buffer)
    assert (buffers.take(99_000).obj is memory) == reuse


def test_memory_of_another_size_is_dropped_for_what_is_needed() -> None:
    buffers = Buffers(1 << 20, reuse=True)
    small = buffers.take(1)
    memory = small.obj
    buffers.give_back(small)
    large = buffers.take(1 << 20)
    assert large.obj is not memory
    buffers.give_back(large)
    assert buffers.take(1).obj is not memory
