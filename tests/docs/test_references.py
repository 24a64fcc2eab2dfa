"""The documents link to files and headings that exist, and name source files as they are called now."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.console import CHECKOUT

DOCUMENTS = [
    *(CHECKOUT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "docker/README.md")),
    *sorted((CHECKOUT / "docs").rglob("*.md")),
]
# Named by their whole path, or by the end of it as in `store/parts.py`.
SOURCES = [
    f"/{path.relative_to(CHECKOUT)}"
    for top in ("plugin", "tests", "dev", "bench")
    for path in (CHECKOUT / top).rglob("*.py")
]
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
SOURCE = re.compile(r"`([\w/]+/\w+\.py)\b")


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    headings = re.findall(r"(?m)^#+ (.*)$", text)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(document: Path, text: str) -> Iterator[str]:
    for target, anchor in LINK.findall(text):
        path = document.parent / target if target else document
        if not target.startswith("http") and (
            not path.exists() or (anchor and anchor not in anchors(path.read_text() if target else text))
        ):
            yield f"{target}#{anchor}"
    yield from (name for name in SOURCE.findall(text) if not any(path.endswith(f"/{name}") for path in SOURCES))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_what_a_document_refers_to_exists(document: Path) -> None:
    assert list(broken(document, document.read_text())) == []


def test_a_reference_to_nothing_is_found() -> None:
    text = "# One\n[a](#one) [b](#two) [c](gone.md) [d](https://example.org/x#y) `store/parts.py` `store/gone.py`"
    assert list(broken(CHECKOUT / "README.md", text)) == ["#two", "gone.md#", "store/gone.py"]
