"""Totals of a population, estimated from a two-stage sample: some groups, and some members of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_QUANTILE = 1.96  # of the normal distribution, at 97.5 %


@dataclass(frozen=True)
class Group:
    """A group of `number` members, and the `values` of those in the sample: at least one unless it is empty."""

    number: int
    values: Sequence[float]

    @property
    def total(self) -> float:
        return self.number * math.fsum(self.values) / len(self.values) if self.values else 0.0

    @property
    def variance(self) -> float:
        """The variance of `total`, because only some members are in the sample."""
        sampled = len(self.values)
        if sampled < 2 or sampled >= self.number:  # noqa: PLR2004 - one value has no variance
            return 0.0
        return self.number * (self.number - sampled) * _variance(self.values) / sampled


@dataclass(frozen=True)
class Estimate:
    """A total within `margin` of the true one in about 95 of 100 cases; margin 0: an exact count."""

    total: float
    margin: float = 0.0

    @property
    def low(self) -> float:
        return max(0.0, self.total - self.margin)

    @property
    def high(self) -> float:
        return self.total + self.margin

    def __truediv__(self, divisor: float) -> Estimate:
        return Estimate(self.total / divisor, self.margin / divisor)


def estimate(population: int, groups: Sequence[Group]) -> Estimate:
    """The total of a population of groups, from a random sample of them: at least two, or all.

    W. G. Cochran, Sampling Techniques, 3rd edition, section 11.3: units of unequal size, chosen with equal
    probability, with a subsample of each.
    """
    if not groups:
        return Estimate(0.0)
    weight = population / len(groups)
    totals = [group.total for group in groups]
    within = weight * math.fsum(group.variance for group in groups)
    between = 0.0
    if population > len(groups):
        between = population * (population - len(groups)) * _variance(totals) / len(groups)
    return Estimate(weight * math.fsum(totals), _QUANTILE * math.sqrt(between + within))


def _variance(values: Sequence[float]) -> float:
    """In floating point: the standard library's is exact, but a hundred times slower."""
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
