"""The documents say what the code does."""

from __future__ import annotations

import re

from dev.console import CHECKOUT
from dev.settings_table import README, with_table


def test_every_setting_is_in_the_readme_with_its_default_and_what_is_allowed() -> None:
    assert with_table(README.read_text()) == README.read_text(), "run: python -m dev.settings_table"


def test_links_between_the_documents_lead_somewhere() -> None:
    for document in [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md"), *CHECKOUT.glob("docker/*.md")]:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} points at {target}"
