"""One thread that repeats a task, and continues after errors."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from framecache.errors import Stopping, reason
from framecache.threads import lower_priority, start_thread

logger = logging.getLogger(__name__)


def _nothing() -> None:
    """No hook."""


class Worker:
    """Calls `turn` on a daemon thread until it is stopped.

    A turn returns the seconds until the next one, or None to wait for `wake`, which ends either wait early. The thread
    first calls `begin`, and finally `end`. An error is logged as "`task` failed" and does not end the thread: the next
    turn follows `retry_seconds` later. Stopping, raised by a turn that sees `is_stopping`, is not an error.
    """

    def __init__(
        self,
        name: str,
        turn: Callable[[], float | None],
        *,
        task: str,
        level: int = logging.WARNING,
        begin: Callable[[], None] = _nothing,
        end: Callable[[], None] = _nothing,
        on_error: Callable[[Exception], None] = lambda _: None,
        retry_seconds: float = 0.0,
        rest_seconds: float = 0.0,
    ) -> None:
        """`on_error` is called after each error. Between two turns at least `rest_seconds` pass, `wake` or not."""
        self._name, self._turn, self._begin, self._end = name, turn, begin, end
        self._task, self._level, self._on_error = task, level, on_error
        self._retry_seconds, self._rest_seconds = retry_seconds, rest_seconds
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread. A `wake` before the start still counts."""
        self._thread = start_thread(f"frame-cache-{self._name}", self._work)

    def wake(self) -> None:
        """Begin the next turn now, or right after the present one. Returns at once."""
        self._wake.set()

    def stop(self) -> None:
        """Stop after the present turn. Returns at once."""
        self._stopping.set()
        self._wake.set()

    def join(self, seconds: float) -> None:
        """Wait up to `seconds` for the thread to end."""
        if self._thread is not None:
            self._thread.join(seconds)

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called: a long turn must then end early."""
        return self._stopping.is_set()

    def is_alive(self) -> bool:
        """Whether the thread is running."""
        return self._thread is not None and self._thread.is_alive()

    def pause(self, seconds: float) -> bool:
        """Pause within a turn; True as soon as the worker must stop."""
        return self._stopping.wait(seconds)

    def _work(self) -> None:
        if self.is_stopping:
            return
        lower_priority()
        self._attempt(self._begin)
        while self._is_next():
            seconds = self._attempt(self._turn)
            ended = time.monotonic()
            self._wake.wait(seconds)
            self._stopping.wait(max(0.0, ended + self._rest_seconds - time.monotonic()))
        self._attempt(self._end)

    def _is_next(self) -> bool:
        # In this order: `stop` sets `_stopping` before `_wake`, so its wake is not lost.
        self._wake.clear()
        return not self._stopping.is_set()

    def _attempt(self, step: Callable[[], float | None]) -> float | None:
        try:
            return step()
        except Stopping:
            return self._retry_seconds
        except Exception as error:  # noqa: BLE001 - no error ends the worker
            logger.log(self._level, "%s failed: %s", self._task, reason(error))
            self._on_error(error)
            return self._retry_seconds
