"""The examples of docs/python.md run, one after the other, over a folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from framecache.client import errors
from framecache.tree.opening import open_tree
from framecache.tree.source import Source

from dev.console import CHECKOUT
from tests.clients.conformance.corpus import files

DOCUMENT = (CHECKOUT / "docs/python.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
FOLDERS = {"/data/images": "images", "/var/cache/images": "cache", "/data/archive": "archive"}


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    for name, content in files():
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "cache").mkdir()
    with open_tree((tmp_path / "archive").as_uri()) as tree:
        list(tree.add(Source.content(content) for _, content in files()))
    names: dict[str, Any] = {}
    for example in EXAMPLES:
        exec(_placed(example, tmp_path), names)  # noqa: S102 - our own document
    printed = capsys.readouterr().out
    assert "400" in printed
    assert "['MR']" in printed
    assert "3 []" in printed
    assert "True" in printed
    assert len(names["decoded"]) == 2
    assert len(names["frames"]) == 4
    assert (tmp_path / "images-on-disc/DICOMDIR").is_file()
    names["client"].close()


def _placed(example: str, folder: Path) -> str:
    for documented, name in FOLDERS.items():
        example = example.replace(documented, str(folder / name))
    return example


def test_every_error_is_in_the_table_with_its_status() -> None:
    rows = dict(re.findall(r"^\| `(\w+Error)`.*? \| (\d{3}) \|", DOCUMENT, re.MULTILINE))
    kinds = {kind.__name__: str(kind.status) for kind in errors.ClientError.__subclasses__()}
    assert rows == kinds
