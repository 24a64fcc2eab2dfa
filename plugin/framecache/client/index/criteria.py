"""Criteria within SQLite: as functions that SQL calls, where no operator of SQL does the same."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import Any

from framecache.dicomweb.matching import (
    AllOf,
    Criterion,
    Empty,
    OneOf,
    Range,
    Similar,
    Wildcard,
    is_nearly,
    key_of,
    words_of,
)

_KINDS: dict[str, Any] = {kind.__name__: kind for kind in (OneOf, AllOf, Wildcard, Range, Empty, Similar)}


def as_text(criterion: Criterion) -> str:
    """`criterion` as an argument of the functions."""
    return json.dumps([type(criterion).__name__, *astuple(criterion)])  # type: ignore[call-overload]


@lru_cache(256)  # once for each row otherwise
def _from_text(text: str) -> Criterion:
    name, *values = json.loads(text)
    criterion: Criterion = _KINDS[name](*(tuple(one) if isinstance(one, list) else one for one in values))
    return criterion


@dataclass(frozen=True, slots=True)
class StoredAs:
    """A column has one of these values: what `similar_columns` found."""

    values: tuple[str, ...]

    def matches(self, keys: Sequence[str]) -> bool:
        return "\\".join(keys) in self.values


def similar_columns(asked: Similar, columns: Iterable[str]) -> StoredAs:
    """Those of `columns` that are like `asked`: each word is compared once, whoever bears it."""
    near: dict[str, int] = {}
    everything = (1 << len(asked.words)) - 1

    def is_like(key: str) -> bool:
        found = 0
        for word in words_of(key):
            if word not in near:
                near[word] = sum(1 << i for i, one in enumerate(asked.words) if is_nearly(one, word))
            found |= near[word]
        return found == everything

    return StoredAs(tuple(one for one in columns if any(map(is_like, one.split("\\")))))


def add_functions(connection: sqlite3.Connection) -> None:
    """Define `matches(keys, criterion)` and `item_matches(items, tag, vr, criterion)`."""
    connection.create_function("matches", 2, _matches, deterministic=True)
    connection.create_function("item_matches", 4, _item_matches, deterministic=True)


def _matches(keys: str | None, text: str) -> bool:
    return _from_text(text).matches(_split(keys))


def _split(keys: str | int | None) -> Sequence[str]:
    return [] if keys is None else str(keys).split("\\")


def _item_matches(items: str | None, tag: str, vr: str, text: str) -> bool:
    """Whether any item of a sequence matches (PS3.4 section C.2.2.2.6)."""
    values = [[str(one) for one in item.get(tag, {}).get("Value", [])] for item in json.loads(items or "[]")]
    return any(_from_text(text).matches([key_of(vr, one) for one in found]) for found in values or [[]])
