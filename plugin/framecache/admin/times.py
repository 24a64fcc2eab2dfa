"""Moments as the routes tell them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload


@overload
def iso(moment: float) -> str: ...


@overload
def iso(moment: None) -> None: ...


@overload
def iso(moment: float | None) -> str | None: ...


def iso(moment: float | None) -> str | None:
    """Seconds since the epoch as ISO 8601 in UTC, such as 2026-11-21T15:04:05+00:00."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
