"""Files are created once, as a whole or not at all, past the page cache or through it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest
from framecache.tree import objects
from framecache.tree.buffers import Buffers
from framecache.tree.folder import Unfit, create_file
from framecache.tree.tree import Tree

from tests.unit.tree.places import PATH, add, file

LENGTHS = (0, 1, 4096, (64 << 10) - 1, 64 << 10, 300_001)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("is_aligned", [True, False])
def test_a_file_has_all_that_was_written(tmp_path: Path, length: int, *, is_aligned: bool) -> None:
    content = os.urandom(length)
    body = Buffers(1 << 20, reuse=True).take(length) if is_aligned else memoryview(bytearray(length))
    body[:] = content

    assert create_file(f"{tmp_path}/a/b/file", body)
    assert (tmp_path / "a/b/file").read_bytes() == content


def test_memory_that_begins_within_a_page_is_written_too(tmp_path: Path) -> None:
    body = Buffers(1 << 20, reuse=True).take(200_000)
    body[:] = os.urandom(200_000)
    assert create_file(f"{tmp_path}/file", body[7:])
    assert (tmp_path / "file").read_bytes() == body[7:]


def test_of_many_that_create_the_same_file_one_does(tmp_path: Path) -> None:
    contents = [bytes([number]) * 100_000 for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda content: create_file(f"{tmp_path}/new/file", content), contents))

    assert created.count(True) == 1
    assert (tmp_path / "new/file").read_bytes() == contents[created.index(True)]
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "file"]


def test_what_cannot_be_written_to_its_end_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        create_file(f"{tmp_path}/file", b"content")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("module", "name", "error"), [(objects, "create_file", Unfit), (os, "link", FileNotFoundError)]
)
def test_where_files_cannot_be_unnamed_or_be_named_they_are_made_in_another_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, error: type[Exception]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(module, name, fail)
    with Tree.open(f"file://{tmp_path}/archive") as tree:
        assert add(tree, file(), file()) == ["unchanged", "added"]
        assert tree.frame(PATH, 2)[0] == 1
