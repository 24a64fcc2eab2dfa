"""docs/conformance.md is what the tables say."""

from __future__ import annotations

from tests.conformance.document import CONFORMANCE, document


def test_the_conformance_statement_is_up_to_date() -> None:
    assert CONFORMANCE.read_text() == document(), "run: python -m tests.conformance.document"
