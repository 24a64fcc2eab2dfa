"""The plugin's own threads: daemons, as others would block Orthanc's shutdown, with a stack of normal size."""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any, TypeVar

from framecache.errors import FrameCacheError, Stopping

_Result = TypeVar("_Result")
_Value = TypeVar("_Value")
_CALL_TIMEOUT = 60.0
# ioprio_set(2), for which the C library has no function.
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
_IOPRIO_WHO_PROCESS, _LAST_OF_BEST_EFFORT = 1, (2 << 13) | 7


def start_thread(name: str, function: Callable[[], None]) -> threading.Thread:
    """Start a daemon thread that runs `function`."""
    thread = threading.Thread(target=function, name=name, daemon=True)
    thread.start()
    return thread


def side_by_side(function: Callable[[_Value], object], values: Iterable[_Value], threads: int) -> None:
    """Call `function` with each value on several threads; return when all are done. `function` must not raise."""
    waiting = deque(values)

    def work() -> None:
        with contextlib.suppress(IndexError):
            while True:
                function(waiting.popleft())

    helpers: list[threading.Thread] = []
    with contextlib.suppress(RuntimeError):  # the system has no more threads, or the interpreter is ending
        while len(helpers) < min(threads, len(waiting)) - 1:
            helpers.append(start_thread("frame-cache-helper", work))
    work()
    for helper in helpers:
        helper.join()


def lower_priority() -> None:
    """Give this thread the lowest share of the processor; requests go first. Linux counts niceness per thread."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


def lower_disk_priority() -> None:
    """Give this thread the lowest best-effort I/O priority, if the kernel's I/O scheduler honours priorities.

    Not the idle class: a thread that holds the index's lock must not wait forever.
    """
    number = _IOPRIO_SET.get(os.uname().machine)
    if number is not None:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).syscall(number, _IOPRIO_WHO_PROCESS, 0, _LAST_OF_BEST_EFFORT)


class TooSlow(FrameCacheError):
    """A call on another thread took too long; it goes on there."""

    def __init__(self) -> None:
        super().__init__("the plugin's own threads do not answer")


class Desk:
    """A few long-lived threads that run calls for other threads, which wait.

    Orthanc's HTTP threads have 100 kB of C stack and keep no state between requests, so SQLite must not run on them.
    """

    def __init__(self, name: str, threads: int) -> None:
        self._calls: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._open, self._closing = True, threading.Lock()
        self._threads = [start_thread(f"{name}-{i}", self._serve) for i in range(threads)]

    def call(self, function: Callable[[], _Result], timeout: float = _CALL_TIMEOUT) -> _Result:
        """Run `function` on one of the desk's threads; return or raise its result.

        Raises TooSlow if it takes longer than `timeout` seconds, Stopping if the desk is closed.
        """
        future: Future[_Result] = Future()
        with self._closing:
            if not self._open:
                raise Stopping
            self._calls.put((future, function))
        try:
            return future.result(timeout)
        except TimeoutError:
            raise TooSlow from None

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            future, function = call
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - the caller raises it again
                future.set_exception(error)

    def close(self) -> None:
        """End the threads after the waiting calls."""
        with self._closing:
            self._open = False
            for _ in self._threads:
                self._calls.put(None)
