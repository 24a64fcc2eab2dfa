"""A worker goes on whatever goes wrong, and ends when it is told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from framecache.errors import Stopping
from framecache.worker import Worker

from tests.unit.fakes import FakeLog, eventually

LONG = 60.0


class Bench:
    """A worker that notes what it does, and fails or pauses as a test says."""

    def __init__(self, *, retry_seconds: float = 0.0, rest_seconds: float = 0.0) -> None:
        self.steps, self.errors, self.threads = list[str](), list[Exception](), set[threading.Thread]()
        self.began = list[float]()
        self.fails: dict[str, Exception] = {}
        self.pause: float | None = None
        self.worker = Worker(
            "test",
            self._turn,
            task="the test",
            begin=lambda: self._step("begin"),
            end=lambda: self._step("end"),
            on_error=self.errors.append,
            retry_seconds=retry_seconds,
            rest_seconds=rest_seconds,
        )

    def _turn(self) -> float | None:
        self.began.append(time.monotonic())
        self._step("turn")
        return self.pause

    def _step(self, name: str) -> None:
        self.threads.add(threading.current_thread())
        self.steps.append(name)
        if name in self.fails:
            raise self.fails[name]

    @property
    def turns(self) -> int:
        return self.steps.count("turn")


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.worker.stop()
    made.worker.join(30)


def test_it_begins_does_its_turns_and_ends_on_one_daemon_thread(bench: Bench) -> None:
    bench.pause = 0.001
    bench.worker.start()
    assert eventually(lambda: bench.turns >= 3)
    assert bench.worker.is_alive()
    bench.worker.stop()
    bench.worker.join(30)

    assert not bench.worker.is_alive()
    assert (bench.steps[0], bench.steps[-1], bench.steps.count("end")) == ("begin", "end", 1)
    assert [(thread.name, thread.daemon) for thread in bench.threads] == [("frame-cache-test", True)]


@pytest.mark.parametrize("pause", [None, LONG])
def test_it_waits_until_it_is_woken_or_stopped(bench: Bench, pause: float | None) -> None:
    bench.pause = pause
    bench.worker.start()
    assert eventually(lambda: bench.turns == 1)
    assert not eventually(lambda: bench.turns > 1, 0.05)
    bench.worker.wake()
    assert eventually(lambda: bench.turns == 2)
    bench.worker.stop()
    bench.worker.join(30)
    assert not bench.worker.is_alive()


def test_what_was_announced_before_the_start_is_not_waited_for(bench: Bench) -> None:
    bench.worker.wake()
    bench.worker.start()
    assert eventually(lambda: bench.turns == 1)


@pytest.mark.parametrize("step", ["begin", "turn", "end"])
def test_an_error_is_logged_and_ends_nothing(bench: Bench, log: FakeLog, step: str) -> None:
    error = bench.fails[step] = ZeroDivisionError("oh")
    bench.pause = 0.001
    bench.worker.start()
    assert eventually(lambda: bench.turns >= 3)
    bench.worker.stop()
    bench.worker.join(30)

    assert bench.steps[-1] == "end"
    assert bench.errors[0] is error
    assert log.of("warning")[0] == "the test failed: ZeroDivisionError: oh"


def test_after_an_error_it_waits_a_while() -> None:
    bench = Bench(retry_seconds=LONG)
    bench.fails["turn"] = ValueError()
    bench.worker.start()
    assert eventually(lambda: bench.turns == 1)
    assert not eventually(lambda: bench.turns > 1, 0.05)
    bench.worker.stop()


def test_a_turn_that_sees_the_stop_fails_nothing(bench: Bench, log: FakeLog) -> None:
    bench.fails["turn"] = Stopping()
    bench.worker.start()
    assert eventually(lambda: bench.turns >= 1)
    bench.worker.stop()
    bench.worker.join(30)

    assert (bench.errors, log.lines, bench.worker.is_alive()) == ([], [], False)


def test_it_rests_between_turns_however_often_it_is_woken() -> None:
    bench = Bench(rest_seconds=0.1)
    bench.worker.start()

    def has_turned() -> bool:
        bench.worker.wake()
        return bench.turns >= 4

    assert eventually(has_turned)
    bench.worker.stop()

    assert min(after - before for before, after in pairwise(bench.began)) > 0.09


def test_who_was_stopped_before_the_start_does_nothing(bench: Bench) -> None:
    bench.worker.stop()
    bench.worker.start()
    bench.worker.join(30)

    assert (bench.steps, bench.worker.is_alive()) == ([], False)
