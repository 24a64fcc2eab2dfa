"""Times by fixed buckets, and the quantiles that can be read from them."""

from __future__ import annotations

import statistics

import pytest
from framecache.telemetry.histogram import SERVING_BOUNDS, Histogram
from hypothesis import given
from hypothesis import strategies as st


def of(values: list[float], bounds: tuple[float, ...] = (1.0, 2.0, 4.0)) -> Histogram:
    histogram = Histogram(bounds)
    for value in values:
        histogram.add(value)
    return histogram


def test_a_value_is_counted_at_the_first_bound_that_it_does_not_exceed() -> None:
    reading = of([0.0, 1.0, 1.1, 4.0, 4.1, 99.0]).reading()

    assert (reading.counts, reading.count, reading.total) == ((2, 1, 1, 2), 6, 109.2)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.5, None),
        ([0.5, 0.5], 0.5, 0.5),
        ([0.5, 0.5], 1.0, 1.0),
        ([0.5, 1.5, 1.5, 3.0], 0.5, 1.5),
        ([0.5, 3.0], 0.99, 3.96),
        ([99.0], 0.5, 4.0),
    ],
)
def test_a_quantile_is_what_prometheus_would_say(values: list[float], share: float, expected: float | None) -> None:
    assert of(values).reading().quantile(share) == pytest.approx(expected)


@given(st.lists(st.floats(0.0001, 10.0), min_size=1, max_size=200))
def test_the_median_lies_in_the_bucket_of_the_true_one(values: list[float]) -> None:
    told = of(values, SERVING_BOUNDS).reading().quantile(0.5)
    true = statistics.median_low(values)

    assert told is not None
    upper = next(bound for bound in SERVING_BOUNDS if true <= bound)
    lower = max((bound for bound in SERVING_BOUNDS if bound < true), default=0.0)
    assert lower <= told <= upper
