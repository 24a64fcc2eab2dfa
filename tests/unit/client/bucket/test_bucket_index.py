"""The segments of a bucket's index: merged without loss, and the same in whatever order they come."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

from framecache.client.bucket.bucket_index import BucketIndex
from framecache.client.bucket.segment import FOLDER, Statement, decode, encode
from framecache.dicomweb.attributes import Level
from framecache.dicomweb.query import Query
from framecache.tree.objects import BINARY, Objects, open_objects

from tests.unit.client.instances import stored, uids, values

EARLY, LATE = (datetime(2026, 1, day, tzinfo=UTC).isoformat() for day in (1, 2))


def index(objects: Objects) -> BucketIndex:
    return BucketIndex(objects, 0.0, most_segments=2)


def found(index: BucketIndex) -> set[str]:
    index.refresh()
    return set(values(index.local.search(Query(Level.INSTANCE), "memory://"), "00080018"))


def test_merged_segments_have_all_that_several_writers_stated() -> None:
    objects = open_objects("memory://")
    writers = [index(objects) for _ in range(3)]
    for number, writer in enumerate(itertools.chain(writers, writers), 1):
        objects.replace(f"any/{number}", stored(1, 1, number), BINARY)
        writer.look_at([one for one in [objects.head(f"any/{number}")] if one is not None])
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
