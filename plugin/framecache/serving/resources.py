"""What an answer needs until it is sent: memory, and the stored file where frames are read from it."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from typing import TypeVar

from framecache.store.buffers import BufferPool, Lease

_Opened = TypeVar("_Opened")
PATIENCE = 5.0  # seconds until an answer for which there is no room is refused


class Resources:
    """Those of one answer; `close` gives all of them back."""

    __slots__ = ("_lease", "_pool", "_stack")

    def __init__(self, pool: BufferPool) -> None:
        self._pool = pool
        self._lease: Lease | None = None
        self._stack: ExitStack | None = None

    def memory(self, length: int) -> memoryview:
        """So many bytes, instead of those that were asked for before. Raises Overloaded."""
        if self._lease is not None:
            self._give_back(self._lease)
        lease = self._pool.lease(length, PATIENCE)
        memory = lease.__enter__()
        self._lease = lease
        return memory

    def open(self, context: AbstractContextManager[_Opened]) -> _Opened:
        """What `context` opens."""
        if self._stack is None:
            self._stack = ExitStack()
        return self._stack.enter_context(context)

    def close(self) -> None:
        """Give back what is held."""
        try:
            if self._lease is not None:
                self._give_back(self._lease)
        finally:
            if self._stack is not None:
                self._stack.close()

    def _give_back(self, lease: Lease) -> None:
        self._lease = None
        lease.close()
