"""What a population holds in all, told from a sample of it in two stages: some groups, and some members of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_QUANTILE = 1.96  # of the normal distribution, at 97.5 %


@dataclass(frozen=True)
class Group:
    """`number` members, of which those with these `values` were looked at: one at least, where there is any."""

    number: int
    values: Sequence[float]

    @property
    def total(self) -> float:
        return self.number * math.fsum(self.values) / len(self.values) if self.values else 0.0

    @property
    def variance(self) -> float:
        """Of `total`, as not all members were looked at."""
        looked_at = len(self.values)
        if looked_at < 2 or looked_at >= self.number:  # noqa: PLR2004 - one value has no variance
            return 0.0
        return self.number * (self.number - looked_at) * _variance(self.values) / looked_at


@dataclass(frozen=True)
class Estimate:
    """A total, which is within `margin` of the true one in about 95 of 100 cases; 0: it was counted."""

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
    """The total of a population of groups, of which these were chosen by chance; two at least, or all.

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
    """In floating point: the standard library's is exact, and a hundred times as slow."""
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
