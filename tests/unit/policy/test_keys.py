"""What the keys of rules make of the values of an instance."""

from __future__ import annotations

from datetime import date

import pytest
from framecache.policy.keys import day_of
from hypothesis import given
from hypothesis import strategies as st

# A text, and the day that it is as a DA of PS3.5 section 6.2.
DATES = (
    ("20261121", date(2026, 11, 21)),
    ("00010101", date(1, 1, 1)),
    ("20240229", date(2024, 2, 29)),
    ("20230229", None),
    ("20261301", None),
    ("20261100", None),
    ("00000000", None),
    ("", None),
    ("2026", None),
    ("202611", None),
    ("2026112", None),
    ("202611211", None),
    ("2026-11-21", None),
    ("2026.11.21", None),  # of ACR-NEMA, which the section tells of and does not allow
    ("2026W476", None),
    ("2026-W47", None),
    ("2026325", None),
    (" 2026112", None),
    ("20261121\n", None),
    ("２０２６１１２１", None),
    ("20261121-20261122", None),
)


@pytest.mark.parametrize(("text", "day"), DATES)
def test_a_date_is_eight_digits_and_a_day_of_the_calendar(text: str, day: date | None) -> None:
    assert day_of(text) == day


@given(st.dates())
def test_each_day_of_the_calendar_is_one(day: date) -> None:
    assert day_of(f"{day.year:04}{day:%m%d}") == day
