"""The table of frames in one object is read once, as far as it is needed, and anew where it does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from framecache.tree import layout
from framecache.tree.errors import Damaged
from framecache.tree.frame_tables import FrameTables
from framecache.tree.frame_writer import ROW
from framecache.tree.objects import Objects
from framecache.tree.record import Record
from framecache.tree.tree import Tree

from tests.unit.tree.places import FRAME, PATH, Place, add, file


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds of objects of which ranges were read."""
    noted, read_ranges = list[str](), Objects.read_ranges

    def note(self: Objects, key: str, starts: Sequence[int], lengths: Sequence[int]) -> list[memoryview]:
        noted.append(key.rpartition("/")[2])
        return read_ranges(self, key, starts, lengths)

    monkeypatch.setattr(Objects, "read_ranges", note)
    return noted


@pytest.fixture
def tree(requests: list[str]) -> Iterator[Tree]:
    """One whose only instance has its three frames in one object."""
    with Place("memory://").open() as tree:
        add(tree, file(), together_from=2)
        del requests[:]
        yield tree


@pytest.fixture
def record(tree: Tree) -> Record:
    return tree.record(PATH)


def key(record: Record, kind: str) -> str:
    return layout.version(record.origin.sha256, kind)


def test_the_first_frame_costs_two_requests_and_each_later_one_costs_one(
    tree: Tree, record: Record, requests: list[str]
) -> None:
    for number in (2, 1, 3, 2):
        assert tree.frames_of(record, [number]) == [bytes([number - 1]) * FRAME]
    assert tree.frame_lengths(record) == [FRAME] * 3
    assert requests == ["table", "all", "all", "all", "all"]


def test_no_more_rows_are_kept_than_there_is_room_for(tree: Tree, record: Record, requests: list[str]) -> None:
    tables = FrameTables(tree.objects, rows=2, most_blocks=1)
    for number in (1, 2, 3, 1):
        [row], _ = tables.rows(record, [number])
        assert row[:2] == ((number - 1) * FRAME, FRAME)
    assert requests == ["table"] * 3


def test_a_table_that_was_repaired_is_read_anew(tree: Tree, record: Record) -> None:
    table, frames = (tree.objects.read(key(record, kind)) for kind in ("table", "all"))
    tree.objects.replace(key(record, "table"), bytes(len(table)))
    with pytest.raises(Damaged):
        tree.frames_of(record, [2])
    tree.objects.replace(key(record, "table"), table)
    assert tree.frames_of(record, [2]) == [bytes([1]) * FRAME]

    moved = b"".join(ROW.pack(row[0] + 1, *row[1:]) for row in ROW.iter_unpack(table))
    tree.objects.replace(key(record, "all"), b"x" + frames)
    with pytest.raises(Damaged):
        tree.frames_of(record, [2])
    tree.objects.replace(key(record, "table"), moved)
    assert tree.frames_of(record, [3]) == [bytes([2]) * FRAME]


def test_what_a_kept_table_says_of_other_frames_is_not_believed(tree: Tree, record: Record) -> None:
    table, frames = (tree.objects.read(key(record, kind)) for kind in ("table", "all"))
    assert tree.frames_of(record, [1]) == [bytes(FRAME)]
    tree.objects.replace(key(record, "all"), b"x" + frames)
    tree.objects.replace(
        key(record, "table"), b"".join(ROW.pack(row[0] + 1, *row[1:]) for row in ROW.iter_unpack(table))
    )
    assert tree.frames_of(record, [1, 3]) == [bytes(FRAME), bytes([2]) * FRAME]


def test_a_record_that_promises_more_frames_than_its_table_has_is_damaged(tree: Tree, record: Record) -> None:
    with pytest.raises(Damaged):
        tree.frame_lengths(replace(record, number_of_frames=1 << 40))
