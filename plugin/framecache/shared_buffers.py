"""Instances that lie in memory whole while they are read: their storage or their form leaves no choice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from framecache.errors import HandOver, Overloaded

_PATIENCE = 60.0


class SharedBuffer:
    """One of them, for as long as somebody reads it."""

    def __init__(self) -> None:
        self.loaded: Future[bytes | bytearray] = Future()
        self.users = self.counted = 0


class SharedBuffers:
    """Loads each once for all who read it at the same time, and all that are open within `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit, self._taken, self._changed = limit, 0, threading.Condition()
        self._open: dict[Hashable, SharedBuffer] = {}

    @property
    def taken(self) -> int:
        """Bytes of what is open now."""
        return self._taken

    @property
    def users(self) -> int:
        """How many read or wait now."""
        return sum(content.users for content in list(self._open.values()))

    @contextmanager
    def hold(self, key: Hashable, load: Callable[[SharedBuffer], bytes | bytearray]) -> Iterator[bytes | bytearray]:
        """What `load` returns, which takes its memory by `take` beforehand; `key` names what is read.

        Raises what `load` raises, Overloaded where others take too long to load it.
        """
        with self._changed:
            content = self._open.setdefault(key, SharedBuffer())
            content.users += 1
            is_first = content.users == 1
        try:
            if is_first:
                _load(content, load)
            yield _patiently(content)
        finally:
            self._leave(key, content)

    def take(self, length: int, content: SharedBuffer, patience: float = 0.0) -> None:
        """Count so many more bytes of `content`, waiting `patience` seconds for others to end.

        Raises HandOver where it alone is too large, Overloaded where it is with the others.
        """
        if content.counted + length > self._limit:
            raise HandOver("the instance is too large to be read in memory")
        with self._changed:
            if not self._changed.wait_for(lambda: self._taken + length <= self._limit, patience):
                raise Overloaded("too many bytes of instances are read in memory at once")
            self._taken += length
            content.counted += length

    def _leave(self, key: Hashable, content: SharedBuffer) -> None:
        with self._changed:
            content.users -= 1
            if content.users == 0:
                del self._open[key]
                self._taken -= content.counted
                self._changed.notify_all()


def _load(content: SharedBuffer, load: Callable[[SharedBuffer], bytes | bytearray]) -> None:
    try:
        content.loaded.set_result(load(content))
    except BaseException as error:  # noqa: BLE001 - it is raised again for each who waits
        content.loaded.set_exception(error)


def _patiently(content: SharedBuffer) -> bytes | bytearray:
    try:
        return content.loaded.result(_PATIENCE)
    except TimeoutError:
        raise Overloaded("the instance that another request reads takes too long") from None
