"""The segments of a bucket's index: merged without loss, and the same in whatever order they come."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path

import pytest
from framecache.client.bucket.bucket_index import BucketIndex
from framecache.client.bucket.segment import FOLDER, Statement, decode, encode
from framecache.dicomweb.attributes import Level
from framecache.dicomweb.query import Query
from framecache.tree.objects import BINARY, Objects, open_objects

from tests.unit.client.instances import stored, uids, values

EARLY, LATE = (datetime(2026, 1, day, tzinfo=UTC).isoformat() for day in (1, 2))


def index(objects: Objects) -> BucketIndex:
    return BucketIndex(objects, 0.0, most_segments=2)


def written(objects: Objects, writer: BucketIndex, *numbers: int) -> None:
    """Each in a segment of its own."""
    for number in numbers:
        objects.replace(f"any/{number}", stored(1, 1, number), BINARY)
        writer.look_at([one for one in [objects.head(f"any/{number}")] if one is not None])


def found(index: BucketIndex) -> set[str]:
    index.refresh()
    return set(values(index.local.search(Query(Level.INSTANCE), "memory://"), "00080018"))


def test_merged_segments_have_all_that_several_writers_stated() -> None:
    objects = open_objects("memory://")
    writers = [index(objects) for _ in range(3)]
    for number, writer in enumerate(itertools.chain(writers, writers), 1):
        written(objects, writer, number)
    objects.delete(["any/2"])
    writers[0].update()
    assert len(objects.listed(FOLDER)) == 1
    for one in (*writers, index(objects)):
        assert found(one) == {uids(1, 1, number)[2] for number in (1, 3, 4, 5, 6)}


def test_an_object_that_is_listed_late_is_not_gone() -> None:
    objects = open_objects("memory://")
    objects.replace("one", stored(1, 1, 1), BINARY)
    writer = index(objects)
    writer.update()

    class Forgetful(Objects):
        def listed(self, prefix: str) -> list:  # type: ignore[type-arg]
            return [one for one in super().listed(prefix) if one.key != "one"]

    index(Forgetful(objects.store)).update()
    assert found(index(objects)) == {uids(1, 1, 1)[2]}


def test_statements_mean_the_same_in_any_order() -> None:
    first = Statement("key", EARLY, "a", 1)
    removed = Statement("key", EARLY, "a", 0, is_removed=True).after(first)
    again = Statement("key", EARLY, "0", 2).after(removed)
    later = Statement("key", LATE, "b", 3)
    for order in itertools.permutations([first, removed, again, later]):
        assert max(order, key=lambda one: one.rank) == later
    assert first.rank < removed.rank < again.rank < later.rank
    assert removed.after(removed) == removed


def test_a_segment_is_read_as_it_was_written_and_a_damaged_one_is_passed_over() -> None:
    statements = [Statement("key", EARLY, "a", 1), Statement("other", LATE, "b", 0, is_removed=True, sequence=2)]
    key, content = encode(statements)
    assert decode(content, key.rpartition("/")[2]) == statements
    objects = open_objects("memory://")
    objects.create(f"{FOLDER}/{64 * '0'}", content)
    assert found(index(objects)) == set()


def test_an_index_on_disk_reads_what_is_new_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = open_objects("memory://")
    written(objects, index(objects), 1, 2)
    assert len(found(BucketIndex(objects, 0.0, tmp_path / "index.sqlite"))) == 2
    written(objects, index(objects), 3)
    read, method = list[str](), Objects.read

    def noted(self: Objects, key: str) -> bytes:
        read.append(key)
        return method(self, key)

    monkeypatch.setattr(Objects, "read", noted)
    for segments in (1, 0):
        read.clear()
        assert len(found(BucketIndex(objects, 0.0, tmp_path / "index.sqlite"))) == 3
        assert len(read) == segments


def test_merging_changes_nothing_for_readers_that_know_the_merged(tmp_path: Path) -> None:
    objects = open_objects("memory://")
    reader = BucketIndex(objects, 0.0, tmp_path / "index.sqlite", late_seconds=0.0)
    writer, other = index(objects), index(objects)
    written(objects, writer, 1, 2, 3)
    other.look_at(objects.listed("any"))  # states the same once more
    assert len(found(reader)) == 3
    writer.compact()
    assert len(objects.listed(FOLDER)) == 1
    assert len(found(reader)) == len(found(index(objects))) == 3


def test_what_others_have_merged_keeps_nobody_from_merging() -> None:
    objects = open_objects("memory://")
    one, other = index(objects), index(objects)
    written(objects, one, 1, 2, 3)
    other.refresh(0)
    one.compact()
    written(objects, other, 4, 5, 6)
    other.compact()
    assert len(objects.listed(FOLDER)) == 1
    assert [len(found(each)) for each in (one, other, index(objects))] == [6, 6, 6]


@pytest.mark.parametrize(("late_seconds", "left"), [(0.0, 1), (60.0, 2)], ids=["gone", "listed late"])
def test_what_no_segment_states_any_more_is_forgotten_in_time(late_seconds: float, left: int) -> None:
    objects = open_objects("memory://")
    written(objects, index(objects), 1, 2)
    reader = BucketIndex(objects, 0.0, late_seconds=late_seconds)
    assert len(found(reader)) == 2
    objects.delete([objects.listed(FOLDER)[0].key])
    assert len(found(reader)) == left


def test_statements_that_are_out_of_date_are_left_out_when_segments_are_merged() -> None:
    objects = open_objects("memory://")
    writer = index(objects)
    writer.state([Statement("key", EARLY, "a", 1)])
    writer.state([Statement("key", LATE, "b", 2)])
    writer.state([Statement("other", LATE, "c", 3)])
    writer.compact()
    [segment] = objects.listed(FOLDER)
    stated = decode(objects.read(segment.key), segment.name)
    assert {(one.key, one.e_tag) for one in stated} == {("key", "b"), ("other", "c")}


def test_what_a_reader_found_by_itself_is_stated_by_the_next_writer(tmp_path: Path) -> None:
    objects, path = open_objects("memory://"), tmp_path / "index.sqlite"
    objects.replace("one", stored(1, 1, 1), BINARY)
    BucketIndex(objects, 0.0, path, is_read_only=True).update()
    BucketIndex(objects, 0.0, path).update()
    assert found(index(objects)) == {uids(1, 1, 1)[2]}


def test_what_another_process_reads_while_segments_are_forgotten_stays(tmp_path: Path) -> None:
    objects, path = open_objects("memory://"), tmp_path / "index.sqlite"
    written(objects, index(objects), 1, 2)
    other, first = BucketIndex(objects, 0.0, path), objects.listed(FOLDER)[0]
    is_known = len(found(other)) == 2
    merged, content = encode([*decode(objects.read(first.key), first.name), Statement("other", EARLY, "a", 1)])
    objects.create(merged, content)
    objects.delete([first.key])

    class Late(Objects):
        def listed(self, prefix: str) -> list:  # type: ignore[type-arg]
            return [one for one in super().listed(prefix) if one.key != merged]

        def read(self, key: str) -> bytes:
            other.refresh(0)
            return super().read(key)

    BucketIndex(Late(objects.store), 0.0, path, late_seconds=0.0).refresh()
    assert is_known
    assert len(found(other)) == 2


@pytest.mark.parametrize("is_made_anew", [True, False], ids=["by another process", "by itself"])
def test_an_index_on_disk_that_is_removed_under_a_living_one_is_read_again(
    tmp_path: Path,
    is_made_anew: bool,  # noqa: FBT001
) -> None:
    objects, path = open_objects("memory://"), tmp_path / "index.sqlite"
    written(objects, index(objects), 1, 2)
    living = BucketIndex(objects, 3600.0, path)
    assert len(found(living)) == 2
    for one in tmp_path.iterdir():
        one.unlink()
    if is_made_anew:
        BucketIndex(objects, 3600.0, path).local.close()
    assert len(found(living)) == 2
    living.local.close()
