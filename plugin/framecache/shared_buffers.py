"""Instances that must be read into memory as a whole, because of their storage or their transfer syntax."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from framecache.errors import HandOver, Overloaded

_PATIENCE = 60.0


class SharedBuffer:
    """The bytes of one instance, for as long as anybody reads them."""

    def __init__(self) -> None:
        self.loaded: Future[bytes | bytearray] = Future()
        self.users = self.counted = 0


class SharedBuffers:
    """Loads each instance once for all concurrent readers, and limits all open instances to `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit, self._taken, self._changed = limit, 0, threading.Condition()
        self._open: dict[Hashable, SharedBuffer] = {}

    @property
    def taken(self) -> int:
        """The bytes of all open instances."""
        return self._taken

    @property
    def users(self) -> int:
        """The number of callers that read or wait."""
        return sum(content.users for content in list(self._open.values()))

    @contextmanager
    def hold(self, key: Hashable, load: Callable[[SharedBuffer], bytes | bytearray]) -> Iterator[bytes | bytearray]:
        """The bytes that `load` returns for `key`; `load` must first reserve their memory with `take`.

        Raises the errors of `load`, and Overloaded if another caller takes too long to load them.
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
        """Reserve `length` more bytes for `content`, waiting up to `patience` seconds for other readers to end.

        Raises HandOver if it exceeds the limit alone, and Overloaded if it does with the others.
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
    except BaseException as error:  # noqa: BLE001 - each waiting caller raises it again
        content.loaded.set_exception(error)


def _patiently(content: SharedBuffer) -> bytes | bytearray:
    try:
        return content.loaded.result(_PATIENCE)
    except TimeoutError:
        raise Overloaded("the instance that another request reads takes too long") from None
