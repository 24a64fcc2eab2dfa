"""Long lists, some at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

_Value = TypeVar("_Value")


def batches(values: Sequence[_Value], most: int) -> Iterator[Sequence[_Value]]:
    """`values` in their order, `most` at a time."""
    for start in range(0, len(values), most):
        yield values[start : start + most]
