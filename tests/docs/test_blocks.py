"""The configuration that the documents show is one that Orthanc and the plugin take."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from framecache.config.reading import read_settings

from dev.console import CHECKOUT

DOCUMENTS = [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md"), *CHECKOUT.glob("docker/*.md")]
BLOCKS = [
    pytest.param(block, id=f"{document.name}-{number}")
    for document in sorted(DOCUMENTS)
    for number, block in enumerate(re.findall(r"```json\n(.*?)```", document.read_text(), re.DOTALL), 1)
]


@pytest.mark.parametrize("block", BLOCKS)
def test_json_in_a_document_is_valid_and_so_are_the_settings_in_it(block: str, tmp_path: Path) -> None:
    shown = json.loads(block if block.lstrip().startswith(("{", "[")) else f"{{{block}}}")
    if isinstance(shown, dict) and "FrameCache" in shown:
        read_settings(shown["FrameCache"], tmp_path)
