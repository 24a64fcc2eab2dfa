"""Large answers in turns: few at once, first come first served, and nobody waits for a client that reads slowly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from unittest.mock import Mock

import pytest
from framecache.serving import sending
from framecache.serving.sending import SendLimiter

LONG = 60.0  # seconds; longer than any test


class Senders:
    """Threads that send when it is their turn, each until it is told to end."""

    def __init__(self, turns: SendLimiter) -> None:
        self._turns = turns
        self._ends: dict[int, threading.Event] = {}
        self._threads: list[threading.Thread] = []
        self.sending: list[int] = []

    def begin(self, number: int) -> None:
        self._ends[number] = threading.Event()
        self._threads.append(threading.Thread(target=self._send, args=(number,), daemon=True))
        self._threads[-1].start()

    def end(self, number: int) -> None:
        self._ends[number].set()

    def _send(self, number: int) -> None:
        with self._turns.turn():
            self.sending.append(number)
            self._ends[number].wait(LONG)

    def end_all(self) -> None:
        for end in self._ends.values():
            end.set()
        for thread in self._threads:
            thread.join(LONG)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_only_so_many_send_at_once_and_the_next_begins_when_one_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Mock(wraps=time)
    monkeypatch.setattr(sending, "time", clock)
    senders = Senders(SendLimiter(2, LONG))
    for number in range(4):
        senders.begin(number)
        if number < 2:
            wait_until(lambda: len(senders.sending) == number + 1)  # noqa: B023 - called at once
        else:  # 3 comes behind 2: who has come looks at the clock
            wait_until(lambda: clock.monotonic.call_count == number + 1)  # noqa: B023 - called at once
    time.sleep(0.02)  # who were let in too soon would send now
    assert senders.sending == [0, 1]
    senders.end(1)
    wait_until(lambda: len(senders.sending) == 3)
    assert senders.sending == [0, 1, 2]
    senders.end(0)
    wait_until(lambda: len(senders.sending) == 4)
    senders.end_all()


def test_nobody_waits_longer_than_patience_for_those_that_read_slowly() -> None:
    senders = Senders(SendLimiter(2, 0.05))
    for number in range(6):
        senders.begin(number)
    wait_until(lambda: len(senders.sending) == 6)  # though none of them has ended
    began = time.monotonic()
    time.sleep(0.06)
    senders.begin(6)
    wait_until(lambda: 6 in senders.sending)
    assert time.monotonic() - began < LONG
    senders.end_all()


def test_an_error_while_sending_gives_the_turn_on() -> None:
    turns = SendLimiter(1, LONG)
    with pytest.raises(ConnectionError), turns.turn():
        raise ConnectionError
    with turns.turn():
        pass


def test_all_of_many_get_their_turn() -> None:
    turns, running, most, lock = SendLimiter(3, LONG), 0, 0, threading.Lock()

    def send() -> None:
        nonlocal running, most
        for _ in range(50):
            with turns.turn():
                with lock:
                    running += 1
                    most = max(most, running)
                time.sleep(0)
                with lock:
                    running -= 1

    threads = [threading.Thread(target=send, daemon=True) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert (running, most <= 3) == (0, True)
