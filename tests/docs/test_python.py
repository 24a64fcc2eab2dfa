"""The examples of docs/python.md run, one after the other, over a folder."""

from __future__ import annotations

import importlib
import multiprocessing
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from framecache.client import DICOMfileClient, errors
from framecache.tree.opening import open_tree
from framecache.tree.source import Source

from dev.console import CHECKOUT
from tests.clients.conformance.corpus import VOLUME, files
from tests.docs.loading import load

DOCUMENT = (CHECKOUT / "docs/python.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
EXAMPLES = [block for block in BLOCKS if "torch.utils.data import" not in block]
[DATA_SET] = [block for block in BLOCKS if "class Frames" in block]
[LOADING] = [block for block in BLOCKS if block not in EXAMPLES]
PATIENCE = 60  # seconds
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
    assert len(names["Frames"](names["client"], *names["uids"][:2])) == 4
    assert (tmp_path / "images-on-disc/DICOMDIR").is_file()
    names["client"].close()


@pytest.fixture
def data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The document's, of a module that other processes can import, after it was used in this one."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "data_set_of_the_document.py").write_text(DATA_SET)
    (tmp_path / "images").mkdir()
    for number, (_, content) in enumerate(files()):
        (tmp_path / "images" / str(number)).write_bytes(content)
    with DICOMfileClient(tmp_path / "images", db_dir=tmp_path / "index") as client:
        data_set = importlib.import_module("data_set_of_the_document").Frames(client, *VOLUME.uids[:2])
        assert data_set[0].tolist() == VOLUME.pixels(1).tolist()
        yield data_set
    del sys.modules["data_set_of_the_document"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_as_pytorchs_load_frames(data_set: Any, method: str) -> None:
    """Each is a process with the data set as its argument, which answers indices of one queue into another."""
    context: Any = multiprocessing.get_context(method)
    asked, answers = context.Queue(), context.Queue()
    workers = [context.Process(target=load, args=(data_set, asked, answers)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for index in [*range(len(data_set)), None, None]:
        asked.put(index)
    loaded = dict(answers.get(timeout=PATIENCE) for _ in range(len(data_set)))
    for worker in workers:
        worker.join()
    assert loaded == {number - 1: VOLUME.pixels(number).tolist() for number in range(1, VOLUME.frames + 1)}


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_pytorchs_data_loader_loads_frames(data_set: Any, method: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch", reason="PyTorch is not among the tools: its smallest wheel has 190 MB")
    names = {"Frames": type(data_set), "client": data_set.client, "uids": VOLUME.uids}
    exec(LOADING.replace("spawn", method), names)  # noqa: S102 - our own document
    assert capsys.readouterr().out == "torch.Size([2, 8, 12])\n" * 2


def _placed(example: str, folder: Path) -> str:
    for documented, name in FOLDERS.items():
        example = example.replace(documented, str(folder / name))
    return example


def test_every_error_is_in_the_table_with_its_status() -> None:
    rows = dict(re.findall(r"^\| `(\w+Error)`.*? \| (\d{3}) \|", DOCUMENT, re.MULTILINE))
    kinds = {kind.__name__: str(kind.status) for kind in errors.ClientError.__subclasses__()}
    assert rows == kinds
