"""What docs/failure-modes.md tells operators to look for is what the code writes."""

from __future__ import annotations

import ast
import errno
import os
import re
from collections.abc import Iterator

import pytest

from dev.console import CHECKOUT

TABLE = (CHECKOUT / "docs/failure-modes.md").read_text()
SEEN = 2  # the column "what you see"
# What the operating system says, and SQLite.
NOT_OURS = {
    *map(os.strerror, (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)),
    "database or disk is full",
    "attempt to write a readonly database",
    "disk I/O error",
    "database disk image is malformed",
    "file is not a database",
}
ELLIPSIS = "…"


def texts_of_the_code() -> list[str]:
    """All texts in the plugin, with an ellipsis for what is filled in."""
    files = (CHECKOUT / "plugin/framecache").rglob("*.py")
    return [text for path in files for text in texts(ast.parse(path.read_text()))]


def texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            parts = (str(part.value) if isinstance(part, ast.Constant) else ELLIPSIS for part in node.values)
            yield "".join(parts)


CODE = texts_of_the_code()


def named() -> list[str]:
    """Everything in `code` of the column that tells what is seen, and of the text above the tables."""
    rows = [line.split(" | ") for line in TABLE.splitlines() if line.startswith("| ")]
    cells = [row[SEEN] for row in rows if len(row) > SEEN]
    prose = [line for line in TABLE.splitlines() if not line.startswith("|")]
    found = re.findall(r"`([^`]+)`", "\n".join(cells + prose))
    return [text for text in dict.fromkeys(found) if not text.startswith(("GET ", "…/")) and text != ELLIPSIS]


def is_in_the_code(text: str) -> bool:
    pattern = ".*".join(map(re.escape, text.split(ELLIPSIS)))
    return any(re.search(pattern, one, re.DOTALL) for one in CODE)


@pytest.mark.parametrize("text", named())
def test_a_text_that_operators_are_told_of_is_in_the_code(text: str) -> None:
    assert text in NOT_OURS or is_in_the_code(text)


def test_a_text_that_the_code_does_not_have_would_be_noticed() -> None:
    assert len(named()) > 30
    assert not is_in_the_code("frame cache: the cache is … on holiday")
    assert not is_in_the_code("DamagedBlock5")
