"""Statistics of the benchmark."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figure import Figure, of_rounds, of_seconds, percentile

SAMPLES = st.lists(st.floats(0, 1e6), min_size=1)


@pytest.mark.parametrize(
    ("percent", "expected"),
    [(0, 1), (1, 1), (50, 50), (98.5, 99), (99, 99), (99.5, 100), (100, 100)],
)
def test_a_percentile_is_the_sample_of_the_nearest_rank(percent: float, expected: float) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == expected


@given(SAMPLES)
def test_the_99th_percentile_of_few_samples_is_the_slowest(samples: list[float]) -> None:
    assert percentile(samples[:99], 99) == max(samples[:99])


@given(SAMPLES, st.floats(0, 100))
def test_a_percentile_was_measured(samples: list[float], percent: float) -> None:
    assert percentile(samples, percent) in samples


def test_no_samples_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 50)


def test_single_requests_are_compared_by_their_median_and_keep_all_samples() -> None:
    figure = of_seconds([3.0, 1.0, 2.0])

    assert (figure.value, figure.median, figure.p99, figure.unit) == (2.0, 2.0, 3.0, "s")
    assert figure.raw["seconds"] == [3.0, 1.0, 2.0]


def test_rounds_give_medians_and_the_sum_of_errors() -> None:
    rounds = [Figure(value, "requests/s", 1 / value, None, errors) for value, errors in ((10, 0), (40, 2), (20, 1))]

    figure = of_rounds(rounds)

    assert (figure.value, figure.median, figure.p99, figure.errors) == (20, 1 / 20, None, 3)
    assert figure.raw["rounds"] == [{"value": 10}, {"value": 40}, {"value": 20}]
