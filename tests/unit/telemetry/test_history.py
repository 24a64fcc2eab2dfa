"""The last periods, as differences of what is counted."""

from __future__ import annotations

import pytest
from framecache.telemetry.history import History
from framecache.telemetry.metrics import Metrics

from tests.unit.fakes import FakeClock

EMPTY = [0, 0, 0, 0]


class Bench:
    """Four periods of a minute."""

    def __init__(self) -> None:
        self.clock, self.metrics = FakeClock(), Metrics()
        self.clock.now = 6000.0
        self.history = History(60, 4, self.clock)
        self.tick()

    def tick(self, seconds: float = 0.0) -> None:
        self.clock.now += seconds
        self.history.note(self.metrics.sums())

    def errors(self) -> list[int]:
        return [point.counters["errors"] for point in self.history.series(self.metrics.sums()).points]


def test_each_event_counts_in_its_period_and_the_last_one_is_under_way() -> None:
    bench = Bench()
    assert bench.errors() == EMPTY
    bench.metrics.count("errors", 1)
    assert bench.errors() == [0, 0, 0, 1]
    bench.tick(60)
    bench.metrics.count("errors", 2)
    bench.tick(30)
    assert bench.errors() == [0, 0, 1, 2]
    bench.tick(30)
    assert bench.errors() == [0, 1, 2, 0]


def test_what_is_too_long_ago_is_forgotten() -> None:
    bench = Bench()
    for number in range(1, 8):
        bench.metrics.count("errors", number)
        bench.tick(60)

    assert bench.errors() == [5, 6, 7, 0]


def test_periods_that_were_slept_through_are_empty() -> None:
    """Of a suspended machine: what happened before, or meanwhile, counts for the period before the sleep."""
    bench = Bench()
    bench.metrics.count("errors", 5)
    bench.tick(150)

    assert bench.errors() == [0, 5, 0, 0]


def test_a_series_begins_at_the_begin_of_a_period() -> None:
    bench = Bench()
    bench.tick(90)
    series = bench.history.series(bench.metrics.sums())

    assert (series.begin, series.seconds) == (6060.0 - 3 * 60, 60)


def test_times_are_told_by_period_and_not_where_nothing_was_answered() -> None:
    bench = Bench()
    bench.metrics.served("frames", "hit", 0.00018)
    bench.tick(60)
    bench.metrics.served("frames", "miss", 0.8)
    points = bench.history.series(bench.metrics.sums()).points

    assert [point.seconds(0.5) for point in points] == [None, None, pytest.approx(0.000175), pytest.approx(0.75)]
