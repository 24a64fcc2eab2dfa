"""Work that several requests want at the same time is done once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from framecache.errors import Overloaded

_Result = TypeVar("_Result")


class Flights(Generic[_Result]):
    """Calls under way, by key. Results are handed to those who wait, and then forgotten."""

    def __init__(self, patience: float) -> None:
        """`patience` is how long a follower waits for the first, in seconds."""
        self._patience = patience
        self._under_way: dict[Hashable, Future[_Result]] = {}
        self._lock = threading.Lock()

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
