"""One frame out of its stored file, however many runs it lies in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from framecache.dicom.frame_table import Extent, read_stored_frame
from framecache.errors import InstanceGone, SourceError
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.own_files import only_here

CONTENT = os.urandom(300_000)
FRAGMENTS = [Extent(100 + 20 * number, 12) for number in range(3000)]  # 8 bytes of item header between them


def read(path: Path, extents: list[Extent]) -> bytes:
    target = bytearray(sum(extent.length for extent in extents))
    read_stored_frame(str(path), extents, memoryview(target))
    return bytes(target)


def joined(extents: list[Extent]) -> bytes:
    return b"".join(CONTENT[extent.offset : extent.offset + extent.length] for extent in extents)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stored") / "file"
    path.write_bytes(CONTENT)
    return path


@given(st.lists(st.builds(Extent, st.integers(0, 250_000), st.integers(0, 50_000)), min_size=1, max_size=8))
def test_runs_are_joined_wherever_they_lie(stored: Path, extents: list[Extent]) -> None:
    assert read(stored, extents) == joined(extents)


@pytest.mark.parametrize("extents", [FRAGMENTS, FRAGMENTS[::-1], FRAGMENTS[:1]])
def test_more_fragments_than_the_kernel_takes_at_once_are_joined(stored: Path, extents: list[Extent]) -> None:
    assert read(stored, extents) == joined(extents)


def test_many_fragments_cost_few_calls(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    preadv = os.preadv

    def counting(descriptor: int, views: Any, offset: int) -> int:
        calls.append(len(views))
        return preadv(descriptor, views, offset)

    monkeypatch.setattr(os, "preadv", only_here(counting, preadv))
    assert read(stored, FRAGMENTS) == joined(FRAGMENTS)
    assert len(calls) <= 8


def test_a_kernel_that_gives_less_at_once_is_asked_again(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    preadv = os.preadv

    def grudging(descriptor: int, views: Any, offset: int) -> int:
        view = next(view for view in views if view)
        return preadv(descriptor, [view[:5]], offset)

    monkeypatch.setattr(os, "preadv", only_here(grudging, preadv))
    assert read(stored, FRAGMENTS[:50]) == joined(FRAGMENTS[:50])


def test_a_file_that_ends_too_early_is_an_error(stored: Path) -> None:
    for extents in ([Extent(299_990, 20)], [Extent(299_000, 10), Extent(299_018, 2000)]):
        with pytest.raises(SourceError, match="ends before"):
            read(stored, extents)


def test_a_file_that_was_deleted_is_a_gone_instance(tmp_path: Path) -> None:
    with pytest.raises(InstanceGone):
        read(tmp_path / "gone", [Extent(0, 1)])
