"""Verification finds and repairs what is damaged; collection deletes what nothing names, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from framecache.dicom.identity import InstancePath
from framecache.errors import NotFound
from framecache.tree import layout
from framecache.tree.changes import Correction
from framecache.tree.collection import Collection
from framecache.tree.errors import Damaged, Unreachable
from framecache.tree.layout import file_name
from framecache.tree.objects import Listed
from framecache.tree.record import Record
from framecache.tree.source import Source
from framecache.tree.tree import Tree

from tests.unit.dicom_files import INSTANCE, SERIES, STUDY, encapsulated
from tests.unit.fakes import eventually
from tests.unit.tree.places import FRAME, PATH, add, contents, file, instance, kept_frames

NOW = timedelta(0)
FRAMES = f"studies/{STUDY}/series/{SERIES}/instances/{INSTANCE}/frames"


def damage(tree: Tree, key: str) -> None:
    content = tree.objects.read(key)
    tree.objects.replace(key, content[: len(content) // 2] + b"?" + content[len(content) // 2 + 1 :])


def source_of(record: Record) -> Source:
    return with_document(int(record.path.sop_instance_uid.rpartition(".")[2]), record.path)


def with_document(value: int, path: InstancePath = PATH) -> Source:
    """With a value that is kept as bulk data."""
    return file(value, path, EncapsulatedDocument=b"%PDF" * 10_000)


def cut_off(tree: Tree, key: str) -> None:
    tree.objects.replace(key, tree.objects.read(key)[:30])


def empty(tree: Tree, key: str) -> None:
    """As a loss of power leaves what was just written."""
    tree.objects.replace(key, b"")


def check_repair(tree: Tree, key: str, spoil: Callable[[Tree, str], None], together_from: int) -> None:
    add(tree, with_document(5), with_document(6, instance(6)), together_from=together_from)
    before = contents(tree)
    spoil(tree, next(found for found in sorted(before) if found.startswith(key) or found.endswith(f"/{key}")))

    findings = list(tree.verify(find_source=source_of))
    tree.gc(NOW)

    assert findings
    assert all(finding.is_repaired for finding in findings)
    assert list(tree.verify()) == []
    assert contents(tree) == before


@pytest.mark.parametrize(
    "key", ["studies", f"studies/{STUDY}/series", f"{FRAMES}/2", "versions/", "studies/1.2.3/bulk"]
)
def test_what_is_damaged_is_found_and_repaired(tree: Tree, key: str) -> None:
    check_repair(tree, key, damage, 3 if key == "versions/" else 9)


@pytest.mark.parametrize("spoil", [cut_off, empty])
@pytest.mark.parametrize("key", ["metadata", f"{FRAMES}/2", "all", "table", "studies/1.2.3/bulk"])
def test_what_is_cut_off_is_found_and_repaired(tree: Tree, key: str, spoil: Callable[[Tree, str], None]) -> None:
    key = f"{key}.gz" if key == "metadata" and tree.objects.is_folder else key
    check_repair(tree, key, spoil, 3 if key in ("all", "table") else 9)


def test_without_a_source_damage_is_reported(tree: Tree) -> None:
    add(tree, file())
    damage(tree, f"{FRAMES}/1")

    [finding, *_] = tree.verify()
    assert (finding.kind, finding.is_repaired) == ("frames", False)
    with pytest.raises(Damaged):
        tree.frame(PATH, 1)


@pytest.mark.parametrize("together_from", [9, 3])
def test_a_damaged_entry_is_reported_and_is_written_when_its_files_are_added_again(
    tree: Tree, together_from: int
) -> None:
    add(tree, file(), together_from=together_from)
    [entry] = tree.objects.listed(f"log/{STUDY}/{SERIES}")
    tree.objects.replace(entry.key, b"\x1f\x8b nonsense")
    with Tree(tree.objects) as with_new_memory:
        assert [finding.kind for finding in with_new_memory.verify()] == ["entry"]
        assert with_new_memory.gc(NOW).deleted == 0
        assert add(with_new_memory, file()) == ["added"]
    with Tree(tree.objects) as newest:
        assert newest.frame(PATH, 1)[0] == 0


def test_collection_leaves_nothing_of_replaced_and_deleted_instances(tree: Tree) -> None:
    add(tree, file())
    add(tree, file(100))
    add(tree, file(50, instance(2)))
    tree.delete(STUDY, SERIES, instance(2).sop_instance_uid, reason="too old")

    collected = tree.gc(NOW)

    assert (collected.merged, collected.deleted > 0) == (3, True)
    assert kept_frames(tree) == [f"{FRAMES}/{number}" for number in (1, 2, 3)]
    assert tree.frame(PATH, 1)[0] == 100
    assert add(tree, file(100), file(50, instance(2))) == ["unchanged", "skipped"]
    assert tree.gc(NOW).deleted == 0


def test_collection_leaves_the_pieces_of_a_writer_at_work(tree: Tree) -> None:
    outcomes = tree.add([file()], derive=False)
    tree.objects.create(f"studies/9.9/series/9.9.1/instances/{INSTANCE}/frames/1", b"\0" * FRAME)

    assert tree.gc().deleted == 0
    assert len(list(outcomes)) == 1
    assert tree.gc(NOW).deleted == 1


def test_collection_keeps_what_corrections_show(tree: Tree) -> None:
    add(tree, file(), file(10, instance(2)))
    tree.correct(Correction(STUDY, "two studies", SERIES, (INSTANCE,), to_study="7.7"))

    tree.gc(NOW)

    assert tree.frame(instance(2), 1)[0] == 10
    moved = InstancePath("7.7", SERIES, INSTANCE)
    assert tree.frame(moved, 2)[0] == 1
    assert f"studies/{file_name('7.7')}/series/{SERIES}/instances/{INSTANCE}/frames/1" in kept_frames(tree)


def test_a_video_survives_a_collection_and_moves_with_its_instance(tree: Tree) -> None:
    add(tree, Source.content(encapsulated([b"", b"mp42" * 9], "1.2.840.10008.1.2.4.102", NumberOfFrames=100)))
    uri = tree.metadata(PATH)["7FE00010"]["BulkDataURI"]

    tree.gc(NOW)
    assert tree.bulk_data(STUDY, uri) == b"mp42" * 9
    tree.correct(Correction(STUDY, "another patient", to_study="1.9"))
    assert tree.bulk_data("1.9", uri) == b"mp42" * 9


def add_beside(tree: Tree, source: Source, act: Callable[[], object]) -> None:
    """Add `source`; `act` comes when its frames are written, and its record is not."""
    before = len(kept_frames(tree))

    def sources() -> Iterator[Source]:
        yield source
        assert eventually(lambda: len(kept_frames(tree)) == before + 3)
        act()

    list(tree.add(sources()))


@pytest.mark.parametrize(("slow", "fast"), [(10, 50), (50, 10)])
def test_another_version_that_comes_first_takes_no_frames_away(tree: Tree, slow: int, fast: int) -> None:
    with Tree(tree.objects) as other:
        add_beside(tree, file(slow), lambda: add(other, file(fast)))

    assert [frame[0] for frame in tree.frames(PATH, [1, 2, 3])] in ([10, 11, 12], [50, 51, 52])
    assert list(tree.verify()) == []


def test_a_collection_beside_a_replacement_leaves_no_frames_of_before(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tree, file(1))
    add(tree, file(20))
    time.sleep(0.02)
    moment = datetime.now(UTC)
    time.sleep(0.02)

    def is_old(_: Collection, listed: Listed) -> bool:
        return listed.modified < moment

    monkeypatch.setattr(Collection, "_is_old", is_old)
    with Tree(tree.objects) as other:
        add_beside(tree, file(60), other.gc)
    assert bytes([60]) * FRAME in tree.objects.read(layout.frame(PATH, 1))


@pytest.mark.parametrize("act", ["delete", "retract"])
def test_a_change_that_was_broken_off_is_shown_when_it_is_made_once_more(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    def fail(*_: object) -> None:
        raise Unreachable("nobody answers")

    def change() -> None:
        if act == "delete":
            tree.delete(STUDY, reason="too old")
        else:
            tree.retract(STUDY, name, reason="wrong")

    add(tree, file())
    before = tree.studies()
    patient = {"00100020": {"vr": "LO", "Value": ["another"]}}
    name = tree.correct(Correction(STUDY, "a mix-up", attributes=patient)) if act == "retract" else ""
    with monkeypatch.context() as patch:
        patch.setattr(Tree, "derive_studies", fail)
        with pytest.raises(Unreachable):
            change()
    with pytest.raises(NotFound):
        change()
    assert tree.studies() == (before if act == "retract" else [])
