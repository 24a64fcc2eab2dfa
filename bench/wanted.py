"""What is wanted of a row, and whether it was reached."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from bench.figure import Figure

AS_GOOD = 0.9  # within a tenth, two figures of a shared machine are the same


class Rule(Enum):
    """How two figures are compared. The texts are for the table."""

    TIMES_AS_MANY = "≥ {0:g} ×"
    TIMES_FASTER = "≥ {0:g} × faster"
    AT_MOST_TIMES = "≤ {0:g} ×"
    AT_MOST_MORE = "≤ {0:g} more"
    AT_MOST = "≤ {0:g}"
    AT_LEAST = "≥ {0:g}"


@dataclass(frozen=True)
class Wanted:
    """A rule and its bound; without a bound nothing is wanted, and the row only informs."""

    rule: Rule
    bound: float | None = None

    def __str__(self) -> str:
        return "–" if self.bound is None else self.rule.value.format(self.bound)

    def ratio(self, subject: Figure, peer: Figure | None) -> float:
        """What is held against the bound; large is good for rules with "≥", small for the others."""
        if self.rule in (Rule.AT_MOST, Rule.AT_LEAST) or peer is None:
            return subject.value
        if self.rule is Rule.AT_MOST_MORE:
            return subject.value - peer.value
        if self.rule is Rule.TIMES_FASTER:
            return peer.value / subject.value
        return subject.value / peer.value

    def verdict(self, subject: Figure, peer: Figure | None) -> str:
        """ "reached", "missed", or who is better where nothing is wanted; errors reach nothing."""
        if subject.errors:
            return f"missed ({subject.errors} errors)"
        ratio = self.ratio(subject, peer)
        if self.bound is None:
            return "better" if ratio > 1 / AS_GOOD else "as good" if ratio >= AS_GOOD else "the other is better"
        more_is_better = self.rule in (Rule.TIMES_AS_MANY, Rule.TIMES_FASTER, Rule.AT_LEAST)
        return "reached" if (ratio >= self.bound if more_is_better else ratio <= self.bound) else "missed"
