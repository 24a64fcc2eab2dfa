"""Answers that must not be empty, or whose errors are raised before the first item is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TypeVar

from framecache.client.errors import NotFoundError

_Item = TypeVar("_Item")


def begun(items: Iterator[_Item], error: type[Exception] | None = None) -> Iterator[_Item]:
    """Whose first item is there: what is wrong has been raised. `error` is what an end without an item is."""
    iterator = iter(items)
    for first in iterator:
        return chain([first], iterator)
    if error is not None:
        raise error("it is not there")
    return iter(())


def some(results: list[_Item]) -> list[_Item]:
    if not results:
        raise NotFoundError("it is not there")
    return results
