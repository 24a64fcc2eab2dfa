"""Hours of the day, also over midnight."""

from __future__ import annotations

from datetime import time

import pytest
from framecache.config.reading import parse_hours
from framecache.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("19:00-06:00", ["19:00", "23:59", "00:00", "05:59"], ["06:00", "12:00", "18:59"]),
        ("01:30-05:00", ["01:30", "04:59"], ["01:29", "05:00", "23:00"]),
        ("00:00-00:00", ["00:00", "12:00", "23:59"], []),
        ("22:15-22:15", ["22:15", "22:14", "03:00"], []),
        ("", ["00:00", "12:00", "23:59"], []),
        ("12:00-00:00", ["12:00", "23:59"], ["00:00", "11:59"]),
    ],
)
def test_which_moments_are_within(text: str, inside: list[str], outside: list[str]) -> None:
    hours = parse_hours(text)
    assert [moment for moment in inside + outside if hours.contain(time.fromisoformat(moment))] == inside


@pytest.mark.parametrize("text", ["19-6", "24:00-06:00", "19:60-20:00", "19:00", "19:00-06:00 ", "1:00-2:00", "night"])
def test_what_are_no_hours_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r'"BackfillHours" is .*19:00-06:00'):
        parse_hours(text)
