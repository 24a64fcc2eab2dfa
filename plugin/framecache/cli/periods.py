"""Periods of time, as commands take them."""

from __future__ import annotations

from argparse import ArgumentTypeError

_UNITS = {"d": 1, "w": 7, "y": 365}
_MOST_DAYS = 36_500


def days(text: str) -> int:
    """Days, from text such as 30d, 4w or 1y, for argparse. Raises ArgumentTypeError."""
    number, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS else (text, "d")
    if number.isascii() and number.isdigit() and 1 <= int(number) * _UNITS[unit] <= _MOST_DAYS:
        return int(number) * _UNITS[unit]
    raise ArgumentTypeError(f"{text!r} is not a period such as 30d, 4w or 1y")
