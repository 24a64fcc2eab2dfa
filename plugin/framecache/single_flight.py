"""Concurrent requests for the same work or the same bytes share one call or one read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from framecache.errors import Overloaded

_Result = TypeVar("_Result")


class SingleFlight(Generic[_Result]):
    """Calls in flight, by key. Callers with the same key share the result, which is then forgotten."""

    def __init__(self, patience: float) -> None:
        """`patience` is how long a follower waits for the first, in seconds."""
        self._patience = patience
        self._under_way: dict[Hashable, Future[_Result]] = {}
        self._lock = threading.Lock()

    @property
    def under_way(self) -> int:
        """Calls that somebody makes now."""
        return len(self._under_way)

    def join(self, key: Hashable, function: Callable[[], _Result]) -> _Result:
        """The result of `function`, which only the first caller with `key` runs. Raises Overloaded after `patience`."""
        with self._lock:
            future = self._under_way.get(key)
            if future is None:
                mine = self._under_way[key] = Future()
        if future is None:
            return self._fly(key, mine, function)
        try:
            return future.result(self._patience)
        except TimeoutError:
            raise Overloaded("what another request asked for takes too long") from None

    def _fly(self, key: Hashable, future: Future[_Result], function: Callable[[], _Result]) -> _Result:
        try:
            result = function()
        except BaseException as error:
            future.set_exception(error)
            raise
        else:
            future.set_result(result)
            return result
        finally:
            with self._lock:
                del self._under_way[key]


class SharedReads:
    """Concurrent reads of the same bytes: the first caller reads into its own memory, the others copy from there."""

    def __init__(self, patience: float) -> None:
        """`patience` is how long a follower waits for the first, in seconds."""
        self._patience = patience
        self._under_way: dict[Hashable, _SharedRead] = {}
        self._changed = threading.Condition()

    @property
    def under_way(self) -> int:
        """Reads that somebody makes now."""
        return len(self._under_way)

    def read_into(self, key: Hashable, target: memoryview, read: Callable[[memoryview], None]) -> None:
        """Fill `target` by `read`, or by a copy of what the first caller with `key` read. Raises the error of `read`.

        Raises Overloaded after `patience`. All targets of a key have the same length.
        """
        with self._changed:
            shared = self._under_way.get(key)
            if shared is not None:
                shared.followers += 1
            else:
                mine = self._under_way[key] = _SharedRead()
        if shared is not None:
            self._follow(shared, target)
        else:
            self._lead(key, mine, target, read)

    def _lead(self, key: Hashable, shared: _SharedRead, target: memoryview, read: Callable[[memoryview], None]) -> None:
        try:
            read(target)
        except BaseException as error:
            shared.content.set_exception(error)
            raise
        else:
            shared.content.set_result(target)
        finally:
            with self._changed:
                del self._under_way[key]
                # The caller releases its memory afterwards: wait until nobody copies from it.
                self._changed.wait_for(lambda: shared.followers == 0)

    def _follow(self, shared: _SharedRead, target: memoryview) -> None:
        try:
            target[:] = shared.content.result(self._patience)
        except TimeoutError:
            raise Overloaded("what another request asked for takes too long") from None
        finally:
            with self._changed:
                shared.followers -= 1
                if shared.followers == 0:
                    self._changed.notify_all()


class _SharedRead:
    """One read, and the number of callers that wait for it or copy from it."""

    def __init__(self) -> None:
        self.content: Future[memoryview] = Future()
        self.followers = 0
