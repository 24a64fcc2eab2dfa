"""What an administrator wishes of shared work: it happens while somebody waits for it, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Wish:
    """One thread waits; another one fulfils it."""

    def __init__(self, act: Callable[[], None]) -> None:
        """`act` may fail, and is then called again for as long as somebody waits."""
        self._act, self._acting, self._is_open = act, threading.Lock(), True
        self._seen, self._is_fulfilled = threading.Event(), False

    def fulfil(self) -> None:
        """Do it, unless it was given up. Raises what `act` raises."""
        with self._acting:
            if self._is_open:
                self._act()
                self._is_open, self._is_fulfilled = False, True

    def see(self) -> None:
        """What it changed can be seen: nobody waits any longer."""
        self._seen.set()

    def wait(self, seconds: float) -> bool:
        """Whether it was fulfilled within this time; if not, it will not be.

        Only what is at work by then, and takes as long again, may come to its end later.
        """
        if self._seen.wait(seconds):
            return True
        if not self._acting.acquire(timeout=seconds):
            return False
        self._is_open = False
        self._acting.release()
        return self._is_fulfilled
