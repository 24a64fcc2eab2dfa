"""Work that several requests want at the same time is done once, and what several want to read is read once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from framecache.errors import Overloaded

_Result = TypeVar("_Result")


class SingleFlight(Generic[_Result]):
    """Calls under way, by key. Results are handed to those who wait, and then forgotten."""

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
        """What `function` returns or raises, called by the first who comes with `key`. Raises Overloaded."""
        with self._lock:
            future = self._under_way.get(key)
            if future is None:
                mine = self._under_way[key] = Future()
        if future is None:
            return self._fly(key, mine, function)
        try:
            return future.result(self._patience)
        except TimeoutError:
            raise Overloaded("the frame that another request asked for takes too long") from None

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
    """Bytes that several want at the same time are read by the first, into its own memory, and copied from there."""

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
        """Fill `target` by `read`, or with what the first who came with `key` has read; raises what that raised.

        Raises Overloaded where it takes too long. All targets of a key are of one length.
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
                # The memory is given back behind this: nobody may be copying from it then.
                self._changed.wait_for(lambda: shared.followers == 0)

    def _follow(self, shared: _SharedRead, target: memoryview) -> None:
        try:
            target[:] = shared.content.result(self._patience)
        except TimeoutError:
            raise Overloaded("the frame that another request asked for takes too long") from None
        finally:
            with self._changed:
                shared.followers -= 1
                if shared.followers == 0:
                    self._changed.notify_all()


class _SharedRead:
    """One read, and how many wait for it or copy from it."""

    def __init__(self) -> None:
        self.content: Future[memoryview] = Future()
        self.followers = 0
