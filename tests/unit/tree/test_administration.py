"""Verification finds and repairs what is damaged; collection deletes what nothing names, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from framecache.dicom.identity import InstancePath
from framecache.errors import NotFound
from framecache.tree import joined_gzip, layout
from framecache.tree.changes import Correction
from framecache.tree.collection import Collection
from framecache.tree.errors import Damaged, Unreachable
from framecache.tree.layout import file_name
from framecache.tree.objects import Listed, Objects
from framecache.tree.record import Record
from framecache.tree.source import Source
from framecache.tree.tree import Tree

from tests.unit.dicom_files import INSTANCE, SERIES, STUDY, encapsulated
from tests.unit.fakes import eventually
from tests.unit.tree.places import FRAME, PATH, add, contents, file, instance, kept_frames, sent

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


def spoil_latest_entry(tree: Tree, value: int) -> str:
    """Replace the first version, without any collection, and damage the entry of the second; its key."""
    before = {listed.key for listed in tree.objects.listed(f"log/{STUDY}")}
    add(tree, file(value))
    [entry] = {listed.key for listed in tree.objects.listed(f"log/{STUDY}")} - before
    cut_off(tree, entry)
    return entry


@pytest.mark.parametrize("act", ["verify", "index", "add", "gc"])
def test_what_may_have_a_later_version_that_cannot_be_read_is_not_shown_until_it_can(tree: Tree, act: str) -> None:
    add(tree, file(1), file(10, instance(2)))
    entry = spoil_latest_entry(tree, 100)
    with Tree(tree.objects) as newest:
        findings = [finding.key for finding in newest.verify()]
        assert findings == [entry, FRAMES]
        if act == "index":
            newest.derive(anew=True)
        elif act == "add":
            add(newest, file(20, instance(3)))
        elif act == "gc":
            newest.gc(NOW)

        with pytest.raises(Damaged):
            newest.frame(PATH, 1)
        assert newest.frame(instance(2), 1)[0] == 10
        listed = {value["Value"][0] for value in (one["00080018"] for one in newest.series_metadata(STUDY, SERIES))}
        assert (INSTANCE in listed) == (act in ("verify", "gc"))  # lists of before are those of the latest version
        assert bytes([100]) * FRAME in newest.objects.read(layout.frame(PATH, 1))

        assert add(newest, file(100)) == ["replaced"]
        assert newest.frame(PATH, 1)[0] == 100
        assert len(newest.instances(STUDY, SERIES)) == (3 if act == "add" else 2)
        assert list(newest.verify()) == []


def test_a_mark_of_several_versions_stays_as_long_as_the_log_has_them(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tree, file(1))
    add(tree, file(100))
    time.sleep(0.02)  # the times of files may be some milliseconds behind the clock
    moment = datetime.now(UTC)
    time.sleep(0.02)
    add(tree, file(10, instance(2)))  # its entry is too young for the three to be merged
    with monkeypatch.context() as patch:
        patch.setattr(Collection, "_is_old", lambda _, listed: listed.modified < moment)
        tree.gc()
    assert tree.objects.head(layout.contested(PATH)) is not None
    tree.gc(NOW)
    assert tree.objects.head(layout.contested(PATH)) is None


@pytest.mark.parametrize("spoil", [cut_off, empty])
def test_what_is_made_while_an_entry_cannot_be_read_is_made_anew_when_it_can(
    tree: Tree, spoil: Callable[[Tree, str], None]
) -> None:
    add(tree, file(1))
    [entry] = tree.objects.listed(f"log/{STUDY}")
    content = tree.objects.read(entry.key)
    spoil(tree, entry.key)
    with Tree(tree.objects) as other:
        add(other, file(10, instance(2)))
        assert len(other.instances(STUDY, SERIES)) == 1
    tree.objects.replace(entry.key, content)
    with Tree(tree.objects) as newest:
        newest.derive(STUDY)
        assert len(newest.instances(STUDY, SERIES)) == 2


def test_an_entry_of_which_a_loss_of_power_left_the_name_alone_says_nothing_and_goes(tree: Tree) -> None:
    add(tree, file(1))
    entry = spoil_latest_entry(tree, 100)
    empty(tree, entry)
    with Tree(tree.objects) as newest:
        assert newest.frame(PATH, 1)[0] == 1
        assert add(newest, file(100), file(10, instance(2))) == ["replaced", "added"]
        assert newest.frame(PATH, 1)[0] == 100
        newest.gc(NOW)
        assert newest.objects.head(entry) is None
        assert len(newest.instances(STUDY, SERIES)) == 2
        assert list(newest.verify()) == []


def test_nothing_of_a_study_is_shown_while_a_deletion_cannot_be_read_and_it_is_made_again(tree: Tree) -> None:
    add(tree, file(1), file(10, instance(2)))
    tree.delete(STUDY, SERIES, INSTANCE, reason="of another patient")
    [deletion] = tree.objects.listed(f"log/{STUDY}/changes")
    cut_off(tree, deletion.key)
    with Tree(tree.objects) as newest:
        assert [finding.key for finding in newest.verify()] == [deletion.key]
        newest.derive(anew=True)
        assert newest.studies() == []
        for path in (PATH, instance(2)):
            with pytest.raises(Damaged):
                newest.frame(path, 1)
        assert newest.delete(STUDY, SERIES, INSTANCE, reason="of another patient") == 1

        assert newest.frame(instance(2), 1)[0] == 10
        with pytest.raises(NotFound):
            newest.frame(PATH, 1)
        assert len(newest.instances(STUDY, SERIES)) == 1
        assert list(newest.verify()) == []


def test_what_is_deleted_while_its_latest_version_cannot_be_read_is_gone(tree: Tree) -> None:
    add(tree, file(1))
    spoil_latest_entry(tree, 100)
    with Tree(tree.objects) as newest:
        assert newest.delete(STUDY, reason="of another patient") == 1
        assert not [key for key in kept_frames(newest) if key.startswith("studies/")]
        with pytest.raises(NotFound):
            newest.frame(PATH, 1)


def test_a_damaged_list_of_studies_holds_up_no_addition(tree: Tree) -> None:
    add(tree, file(1), file(2, InstancePath("1.9", "1.9.1", "1.9.1.1")))
    content = tree.objects.read(tree.layout.studies)
    for block in joined_gzip.split(content).values():
        content = content.replace(block.content, b"\xff" * len(block.content))
    tree.objects.replace(tree.layout.studies, content)
    add(tree, file(3, InstancePath("1.8", "1.8.1", "1.8.1.1")))
    assert len(sent(tree, "studies")) == 3


def test_a_store_that_lists_what_it_has_not_makes_nobody_ask_for_ever(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tree, file(1))
    [entry] = tree.objects.listed(f"log/{STUDY}")
    tree.objects.delete([entry.key])
    monkeypatch.setattr(Objects, "listed", lambda _, prefix: [entry] if prefix.startswith("log") else [])
    with Tree(tree.objects) as reader:
        for read in (lambda: reader.frame(PATH, 1), lambda: reader.derivation.view(STUDY)):
            with pytest.raises(Unreachable):
                read()
