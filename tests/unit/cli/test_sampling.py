"""What a sample says of the whole, tried on archives of which all is known."""

from __future__ import annotations

from random import Random

import pytest
from framecache.cli.sampling import Estimate, Group, estimate
from hypothesis import given
from hypothesis import strategies as st

MEGABYTE = 1_000_000
ROUNDS = 100


@given(st.lists(st.lists(st.integers(0, 10**9), max_size=20), max_size=50))
def test_where_all_was_looked_at_it_is_counted(series: list[list[int]]) -> None:
    groups = [Group(len(values), values) for values in series]
    assert estimate(len(groups), groups) == Estimate(sum(map(sum, series)), 0.0)


def clinic(random: Random, series: int, tomosyntheses: float, ultrasounds: float) -> list[list[int]]:
    """The bytes of each instance that is cached, by series; 0 for one that is not.

    A tomosynthesis is one instance of a series, an ultrasound has clips among its pictures, all else is slices.
    """

    def one() -> list[int]:
        kind = random.random()
        if kind < tomosyntheses:
            return [random.randrange(20, 400) * MEGABYTE]
        if kind < tomosyntheses + ultrasounds:
            return [random.choice((0, 0, random.randrange(1, 60) * MEGABYTE)) for _ in range(random.randrange(1, 60))]
        return [0] * random.choice((1, 30, 200))

    return [one() for _ in range(series)]


@pytest.mark.parametrize(
    ("series", "tomosyntheses", "ultrasounds", "width"),
    [(20_000, 0.1, 0.0, 0.2), (20_000, 0.02, 0.0, 0.45), (20_000, 0.1, 0.1, 0.2), (1500, 0.1, 0.1, 0.1)],
)
def test_the_truth_is_within_the_bounds_as_often_as_they_say(
    series: int, tomosyntheses: float, ultrasounds: float, width: float
) -> None:
    """2000 series are looked at, and 20 instances of each, as the command does."""
    random = Random(7)
    archive = clinic(random, series, tomosyntheses, ultrasounds)
    truth = sum(map(sum, archive))

    def once() -> Estimate:
        chosen = archive if series <= 2000 else random.sample(archive, 2000)
        groups = [Group(len(one), one if len(one) <= 20 else random.sample(one, 20)) for one in chosen]
        return estimate(series, groups)

    estimates = [once() for _ in range(ROUNDS)]
    covered = sum(one.low <= truth <= one.high for one in estimates) / ROUNDS
    assert covered == pytest.approx(0.95, abs=0.08)
    assert sum(one.total for one in estimates) / ROUNDS == pytest.approx(truth, rel=0.05)
    assert max(one.margin for one in estimates) < width * truth
