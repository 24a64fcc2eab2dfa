"""Any worker verifies some studies of an archive at a time, repairs what it can, and says what it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from framecache.cluster.archive_care import ArchiveCollection, ArchiveVerification
from framecache.cluster.piece import Piece, Unfit
from framecache.cluster.stored_sources import StoredSources
from framecache.dicom.identity import InstancePath
from framecache.tree import layout
from framecache.tree.source import Source
from framecache.tree.tree import Tree

from tests.unit.dicom_files import INSTANCE, SERIES, STUDY, native
from tests.unit.fakes import FakeApi, uuid

PATH = InstancePath(STUDY, SERIES, INSTANCE)


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    """An archive of one instance, made of an attachment in Orthanc's storage."""
    name = uuid(1)
    stored = tmp_path / "storage" / name[:2] / name[2:4] / name
    stored.parent.mkdir(parents=True)
    stored.write_bytes(native(bytes(72)))
    with Tree.open(f"file://{tmp_path}/archive") as tree:
        list(tree.add([Source(name, Source.file(stored).open, name)]))
        yield tree


@pytest.fixture
def verification(tree: Tree, tmp_path: Path) -> ArchiveVerification:
    return ArchiveVerification(tree, StoredSources(FakeApi(), tmp_path / "storage"))


def pieces(verification: ArchiveVerification) -> list[Piece]:
    plan = verification.plan("")
    assert plan is not None
    assert verification.plan(plan.bookmark) is None
    return [Piece.from_json(piece.to_json()) for piece in plan.pieces]


def test_all_studies_are_planned_once_and_found_whole(verification: ArchiveVerification) -> None:
    (piece,) = pieces(verification)
    assert (piece.names, verification.total()) == ((STUDY,), 1)
    assert verification.do(piece) == 0


def test_what_is_missing_is_written_anew_from_orthancs_file(verification: ArchiveVerification, tree: Tree) -> None:
    tree.objects.delete([layout.frame(PATH, 2)])
    (piece,) = pieces(verification)
    assert verification.do(piece) == 0
    assert bytes(tree.frame(PATH, 2)) == bytes(24)


def test_what_cannot_be_repaired_has_failed(tree: Tree) -> None:
    blind = ArchiveVerification(tree, StoredSources(FakeApi()))
    tree.objects.delete([layout.frame(PATH, 2)])
    with pytest.raises(Unfit, match="not repaired"):
        blind.do(pieces(blind)[0])


def test_a_collection_is_one_piece_and_deletes_nothing_that_is_named(tree: Tree) -> None:
    collection = ArchiveCollection(tree)
    plan = collection.plan("")
    assert plan is not None
    assert [collection.do(piece) for piece in plan.pieces] == [0]
    assert collection.plan(plan.bookmark) is None
    assert bytes(tree.frame(PATH, 1)) == bytes(24)
