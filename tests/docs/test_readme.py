"""The documents say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dev.console import CHECKOUT
from dev.documents import OPENAPI, RULES, SETTINGS_PAGE, with_declarations, with_tables


@pytest.mark.parametrize("path", [SETTINGS_PAGE, RULES], ids=lambda path: path.stem)
def test_every_setting_and_every_key_of_a_rule_is_documented_with_what_is_allowed(path: Path) -> None:
    assert with_tables(path.read_text()) == path.read_text(), "run: python -m dev.documents"


def test_openapi_has_every_argument_setting_and_key_of_a_rule_as_they_are_declared() -> None:
    assert with_declarations(OPENAPI.read_text()) == OPENAPI.read_text(), "run: python -m dev.documents"


def test_links_between_the_documents_lead_somewhere() -> None:
    for document in [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md"), *CHECKOUT.glob("docker/*.md")]:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} points at {target}"
