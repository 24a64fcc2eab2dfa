"""Forks of a process whose threads use clients: the new process has none of them, but every lock that they held.

What a thread did within SQLite, nobody ends there: SQLite's locks of the whole process stay taken, and its next call
waits for ever. Nor may a connection be carried over a fork, as locks of files are those of one process (SQLite, "How To
Corrupt An SQLite Database File", section 2.6). So a fork waits until no thread is within, and connections are closed
before it; both processes open them again when they need them.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakSet


class ForkAware:
    """What has to be made ready for a fork, or made anew behind it, by the one thread that goes on there."""

    def before_fork(self) -> None:
        """Close what no other process may have. No thread is within `FORKS.held_off()`."""

    def after_fork(self) -> None:
        """In the new process: replace what threads of the old one may have held."""


class Forks:
    """Holds off forks while a thread is where the new process could not go on."""

    def __init__(self) -> None:
        self._aware: WeakSet[ForkAware] = WeakSet()
        self._inside = Counter[int]()
        self._begin()
        os.register_at_fork(before=self._before, after_in_parent=self._end, after_in_child=self._after)

    def _begin(self) -> None:
        self._changed, self._is_forking = threading.Condition(), False
        # Whose signal's handler forked is still inside in the new process, and comes out there, too.
        thread = threading.get_ident()
        self._inside = Counter({thread: self._inside[thread]} if thread in self._inside else {})

    @contextmanager
    def held_off(self) -> Iterator[None]:
        """No fork begins meanwhile. A thread that is inside may come in again."""
        thread = threading.get_ident()
        with self._changed:
            while self._is_forking and not self._inside[thread]:
                self._changed.wait()
            self._inside[thread] += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside[thread] -= 1
                if not self._inside[thread]:
                    del self._inside[thread]
                    self._changed.notify_all()

    def tell(self, aware: ForkAware) -> None:
        """Let it know of forks, for as long as it lives."""
        with self.held_off():
            self._aware.add(aware)

    def _before(self) -> None:
        thread = threading.get_ident()
        with self._changed:
            self._changed.wait_for(lambda: not self._is_forking)  # another thread's
            self._is_forking = True
            self._changed.wait_for(lambda: not self._inside.keys() - {thread})
        if thread not in self._inside:  # else a signal's handler forks, and what it interrupted goes on
            for one in self._aware:
                one.before_fork()

    def _end(self) -> None:
        with self._changed:
            self._is_forking = False
            self._changed.notify_all()

    def _after(self) -> None:
        self._begin()
        for one in self._aware:
            one.after_fork()


# Of the process, as SQLite's own locks are: no object of ours can know what the others do.
FORKS = Forks()
