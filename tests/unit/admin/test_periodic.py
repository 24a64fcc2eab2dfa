"""What is done at regular times, on a thread of its own."""

from __future__ import annotations

import pytest
from framecache.admin.periodic import Periodic

from tests.unit.fakes import FakeClock, FakeLog, eventually


def test_a_task_that_fails_does_not_keep_the_others_from_their_turn(log: FakeLog) -> None:
    done = list[int]()

    def fail() -> None:
        raise KeyError("broken")

    pulse = Periodic([fail, lambda: done.append(1)], FakeClock(), 0.01)
    pulse.start()
    assert eventually(lambda: len(done) > 2)
    assert "KeyError" in log.of("info")[0]
    pulse.stop()
    pulse.join(30)
    ended = len(done)
    assert not eventually(lambda: len(done) > ended, 0.1)


@pytest.mark.parametrize(("now", "pause"), [(6000.0, 0.005), (6001.0, 9.005), (6009.9, 0.105), (6000.005, 10.0)])
def test_it_comes_at_each_ten_seconds_of_the_clock(now: float, pause: float) -> None:
    clock = FakeClock()
    clock.now = now
    assert Periodic([], clock).turn() == pytest.approx(pause)
