"""Figures with their nouns."""

from __future__ import annotations

import pytest
from framecache.cli import output
from framecache.plurals import counted


@pytest.mark.parametrize(
    ("number", "nouns", "text"),
    [
        (0, ("file",), "0 files"),
        (1, ("file",), "1 file"),
        (2, ("file",), "2 files"),
        (1, ("study", "studies"), "1 study"),
        (3, ("study", "studies"), "3 studies"),
    ],
)
def test_one_is_one_and_all_else_is_many(number: int, nouns: tuple[str, ...], text: str) -> None:
    assert counted(number, *nouns) == output.counted(number, *nouns) == text
