"""When a row is reached."""

from __future__ import annotations

import pytest

from bench.figure import Figure
from bench.wanted import Rule, Wanted


def figure(value: float, errors: int = 0) -> Figure:
    return Figure(value, "s", errors=errors)


@pytest.mark.parametrize(
    ("rule", "bound", "subject", "peer", "ratio", "verdict"),
    [
        (Rule.TIMES_AS_MANY, 2, 400, 200, 2, "reached"),
        (Rule.TIMES_AS_MANY, 2, 399, 200, 1.995, "missed"),
        (Rule.TIMES_FASTER, 50, 0.02, 1.0, 50, "reached"),
        (Rule.TIMES_FASTER, 50, 0.05, 1.0, 20, "missed"),
        (Rule.AT_MOST_TIMES, 2, 0.4, 0.2, 2, "reached"),
        (Rule.AT_MOST_TIMES, 2, 0.5, 0.2, 2.5, "missed"),
        (Rule.AT_MOST_MORE, 5, 8, 3, 5, "reached"),
        (Rule.AT_MOST_MORE, 5, 9, 3, 6, "missed"),
        (Rule.AT_LEAST, 2, 2, None, 2, "reached"),
        (Rule.AT_LEAST, 2, 1.9, None, 1.9, "missed"),
        (Rule.AT_MOST, 1.1, 1.1, None, 1.1, "reached"),
        (Rule.AT_MOST, 1.1, 2.7, None, 2.7, "missed"),
        (Rule.TIMES_AS_MANY, None, 200, 100, 2, "better"),
        (Rule.TIMES_AS_MANY, None, 95, 100, 0.95, "as good"),
        (Rule.TIMES_FASTER, None, 1.0, 0.5, 0.5, "the other is better"),
    ],
)
def test_verdict(
    rule: Rule, bound: float | None, subject: float, peer: float | None, ratio: float, verdict: str
) -> None:
    wanted, other = Wanted(rule, bound), None if peer is None else figure(peer)

    assert wanted.ratio(figure(subject), other) == pytest.approx(ratio)
    assert wanted.verdict(figure(subject), other) == verdict


def test_answers_that_failed_reach_nothing() -> None:
    assert Wanted(Rule.TIMES_AS_MANY, 1).verdict(figure(500, errors=3), figure(1)) == "missed (3 errors)"
