"""What every store does, whatever it is made of: the one on disk, that one behind its guard, and the one in memory."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from framecache.dicom.identity import InstancePath
from framecache.orthanc.instance import Instance
from framecache.store.block import BlockGone
from framecache.store.disk.disk_store import DiskStore
from framecache.store.errors import DoesNotFit, StoreError
from framecache.store.memory_store import MemoryStore
from framecache.store.metadata import InstanceMetadata
from framecache.store.parts import OnRemoved
from framecache.store.resilient_store import ResilientStore
from framecache.store.store import Parts
from framecache.store.usage import InstanceUsage, Order, StudyUsagePage, TotalUsage
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.blocks import read_frame
from tests.unit.dicom_files import EXPLICIT, INSTANCE, SERIES, STUDY
from tests.unit.fakes import PATH, FakeClock, instance, orthanc_id, uuid
from tests.unit.store.filled import KB, LIMIT, MB, fill, frames

HTJ2K = "1.2.840.10008.1.2.4.201"
Open = Callable[[Path, int, OnRemoved], Parts]


def ignore(*_: object) -> None:
    pass


def on_disk(folder: Path, limit: int = LIMIT, on_removed: OnRemoved = ignore) -> DiskStore:
    return DiskStore(folder, limit, on_removed=on_removed)


def guarded(folder: Path, limit: int = LIMIT, on_removed: OnRemoved = ignore) -> ResilientStore:
    return ResilientStore(lambda: on_disk(folder, limit, on_removed), limit, FakeClock())


def in_memory(_: Path, limit: int = LIMIT, on_removed: OnRemoved = ignore) -> MemoryStore:
    return MemoryStore(limit, on_removed)


@pytest.fixture(params=[on_disk, guarded, in_memory], ids=lambda kind: kind.__name__)
def removed(request: pytest.FixtureRequest) -> list[tuple[str, set[str]]]:
    """What was said to have left the store of `store`."""
    request.node.open_store = request.param
    return []


@pytest.fixture
def store(removed: list[tuple[str, set[str]]], tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Parts]:
    def note(cause: str, orthanc_ids: Collection[str], _: int) -> None:
        removed.append((cause, set(orthanc_ids)))

    opened = request.node.open_store(tmp_path, LIMIT, note)
    yield opened
    opened.close()


def cached(store: Parts, *numbers: int) -> list[int]:
    return [number for number in numbers if store.records.get(instance(number).path)]


def test_what_was_kept_is_read_back(store: Parts) -> None:
    one = instance(1)
    first = store.blocks.keep(one, EXPLICIT, frames(1, 2, 3))
    second = store.blocks.keep(one, HTJ2K, frames(10))
    other = store.blocks.keep(instance(1, uuid=uuid(9)), EXPLICIT, frames(4))

    assert (first.representation, first.first, first.count) == (EXPLICIT, 1, 3)
    assert set(store.blocks.of(one)) == {first, second}
    assert set(store.blocks.of_instance(one.orthanc_id)) == {first, second, other}
    assert [read_frame(block, number) for block in (first,) for number in (1, 2, 3)] == [
        bytes([number]) * 100 * KB for number in (1, 2, 3)
    ]
    assert read_frame(store.blocks.of(instance(1, uuid=uuid(9)))[0], 4) == b"\4" * 100 * KB
    assert (store.blocks.of(instance(2)), store.blocks.of_instance("unknown")) == ([], [])


def test_a_block_that_is_written_again_is_another_one(store: Parts) -> None:
    one = instance(1)
    old = store.blocks.keep(one, EXPLICIT, frames(1))
    new = store.blocks.keep(one, EXPLICIT, frames(1))

    assert store.blocks.of(one) == [new]
    assert new != old
    with pytest.raises(BlockGone):
        read_frame(old, 1)


def test_a_block_that_is_removed_is_gone_for_who_still_has_it(store: Parts, removed: object) -> None:
    one = instance(1)
    first, second = fill(store, one, blocks=2)
    store.blocks.remove(first)

    assert store.blocks.of(one) == [second]
    with pytest.raises(BlockGone):
        read_frame(first, 1)
    store.blocks.remove(first)
    assert removed == [("damaged", {one.orthanc_id})]


def test_an_index_is_of_one_version(store: Parts) -> None:
    old, new = instance(1), instance(1, uuid=uuid(9))
    for one in (old, new):
        store.blocks.keep_index(one, one.attachment_uuid.encode())
    assert (store.blocks.index(old), store.blocks.index(new)) == (uuid(1).encode(), uuid(9).encode())
    assert store.blocks.of(old) == []

    store.versions.remove({new.orthanc_id: {old.attachment_uuid}})
    assert (store.blocks.index(old), store.blocks.index(new)) == (None, uuid(9).encode())


def test_a_record_is_found_by_its_uids_and_replaced(store: Parts) -> None:
    one, newer = instance(1), instance(1, uuid=uuid(9))
    assert store.records.get(one.path) is None
    store.records.keep(one.to_json())
    assert store.records.get(one.path) == one.to_json()
    store.records.keep(newer.to_json())

    assert store.records.get(one.path) == newer.to_json()
    assert store.records.get(PATH) is None
    assert store.space.rows() == 1


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"path": {"study_instance_uid": "x"}}'])
def test_what_is_no_record_is_refused(store: Parts, content: bytes) -> None:
    with pytest.raises(StoreError, match="record"):
        store.records.keep(content)
    assert store.space.rows() == 0


def test_a_record_of_another_version_of_the_plugin_is_kept_as_it_is(store: Parts) -> None:
    members = json.loads(instance(1).to_json())
    content = json.dumps({**{name: members[name] for name in members if name != "modality"}, "later": 1}).encode()
    store.records.keep(content)

    assert store.records.get(instance(1).path) == content


def test_versions_are_given_by_instance_page_by_page(store: Parts) -> None:
    for number in (3, 1, 2):
        fill(store, instance(number), blocks=2)
    fill(store, instance(1, uuid=uuid(9)))
    store.records.keep(instance(4).to_json())
    store.blocks.keep_index(instance(5), b"index")

    names = [orthanc_id(number) for number in range(1, 6)]
    assert store.versions.after("", 2) == {names[0]: {uuid(1), uuid(9)}, names[1]: {uuid(2)}}
    assert store.versions.after(names[1], 10) == {name: {uuid(n)} for n, name in enumerate(names[2:], 3)}
    assert store.versions.after(names[4], 10) == {}
    assert store.versions.of([names[0], "unknown"]) == {names[0]: {uuid(1), uuid(9)}, "unknown": set()}


def test_a_version_is_removed_and_no_other(store: Parts, removed: object) -> None:
    old, new, other = instance(1), instance(1, uuid=uuid(77)), instance(2)
    fill(store, old)
    (kept,), (others,) = fill(store, new), fill(store, other)

    store.versions.remove({new.orthanc_id: {uuid(1)}, other.orthanc_id: {uuid(1)}, "unknown": {uuid(77)}})
    assert (store.blocks.of(old), store.blocks.of(new), store.blocks.of(other)) == ([], [kept], [others])
    assert store.records.get(new.path) == new.to_json()
    store.versions.remove({new.orthanc_id: {uuid(77)}, other.orthanc_id: []}, "deleted")
    assert (store.records.get(new.path), store.space.rows()) == (None, 2)
    assert removed == [("replaced", {new.orthanc_id}), ("deleted", {new.orthanc_id})]


def test_all_of_an_instance_is_purged(store: Parts, removed: object) -> None:
    one, other = instance(1), instance(2)
    fill(store, one, blocks=2)
    fill(store, instance(1, uuid=uuid(9)))
    store.blocks.keep_index(one, b"index")
    (kept,) = fill(store, other)

    assert store.versions.remove_all(one.orthanc_id, "unknown") == 5
    assert store.versions.remove_all(one.orthanc_id) == 0
    assert store.versions.after("", 9) == {other.orthanc_id: {uuid(2)}}
    assert store.blocks.of(other) == [kept]
    assert removed == [("purged", {one.orthanc_id})]


def test_pins_are_studies(store: Parts) -> None:
    for study in ("1.2", "1.2.3", "1.2"):
        store.pins.pin(study)
    assert store.pins.studies() == {"1.2", "1.2.3"}
    for study in ("1.2", "9"):
        store.pins.unpin(study)
    assert store.pins.studies() == {"1.2.3"}


def test_notes_are_replaced_and_belong_to_no_instance(store: Parts) -> None:
    assert store.notes.get("changes") is None
    for text in ("1", "ä 22"):
        store.notes["changes"] = text

    assert (store.notes.get("changes"), store.notes.get("other")) == ("ä 22", None)
    assert store.versions.after("", 9) == {}


def test_the_space_is_counted(store: Parts) -> None:
    before = store.space.used(), store.space.left()
    rows = fill(store, instance(1), blocks=3, size=MB)
    after = store.space.used(), store.space.left()

    assert store.limit == LIMIT
    assert after[0] - before[0] >= sum(row.size for row in rows) > 3 * MB
    assert before[1] - after[1] >= 3 * MB
    assert store.space.rows() == 4


def test_the_least_recently_viewed_instance_is_evicted_whole(store: Parts, removed: object) -> None:
    instances = [instance(number) for number in range(5)]
    for number, one in enumerate(instances):
        fill(store, one, blocks=3, size=MB - 10 * KB)
        store.records.touch({one.path: 4e9 + number})
    store.records.touch({instances[0].path: 4e9 + 100})

    fill(store, instance(9), blocks=2, size=MB - 10 * KB)

    assert [len(store.blocks.of(one)) for one in instances] == [3, 0, 3, 3, 3]
    assert cached(store, 0, 1, 2, 3, 4, 9) == [0, 2, 3, 4, 9]
    assert removed == [("size", {instances[1].orthanc_id})]


def test_an_instance_never_evicts_itself(store: Parts) -> None:
    one = instance(1)
    kept = fill(store, one, blocks=14, size=MB)
    with contextlib.suppress(DoesNotFit):  # it depends on what else a store counts
        kept.append(store.blocks.keep(one, EXPLICIT, frames(15, size=MB)))
    with pytest.raises(DoesNotFit):
        store.blocks.keep(one, EXPLICIT, frames(16, size=MB))

    assert len(store.blocks.of(one)) == len(kept)
    assert all(len(read_frame(block, block.first)) == MB for block in kept)


def test_blocks_that_lost_their_record_are_evicted_first(store: Parts) -> None:
    lost = instance(1)
    fill(store, lost)
    store.versions.remove_all(lost.orthanc_id)
    fill(store, instance(2), blocks=5, size=MB)
    for number in range(2, 7):
        store.blocks.keep(lost, EXPLICIT, frames(number, size=MB))

    fill(store, instance(3), blocks=6, size=MB)

    assert (len(store.blocks.of(lost)), len(store.blocks.of(instance(2)))) == (0, 5)


def test_what_is_larger_than_the_store_evicts_nothing(store: Parts) -> None:
    blocks = fill(store, instance(1), blocks=3)
    with pytest.raises(DoesNotFit):
        store.blocks.keep(instance(2), EXPLICIT, frames(1, size=LIMIT + 1))
    with pytest.raises(DoesNotFit):
        store.blocks.keep_index(instance(2), bytes(LIMIT + 1))

    assert store.blocks.of(instance(1)) == blocks


def test_what_may_not_evict_takes_what_is_left(store: Parts) -> None:
    fill(store, instance(1), blocks=7, size=MB)
    store.blocks.keep(instance(2), EXPLICIT, frames(1, size=MB), may_evict=False)
    with pytest.raises(DoesNotFit):
        store.blocks.keep(instance(3), EXPLICIT, frames(1, size=9 * MB), may_evict=False)
    with pytest.raises(DoesNotFit):
        store.blocks.keep_index(instance(3), bytes(9 * MB), may_evict=False)

    assert len(store.blocks.of(instance(1))) == 7


def test_what_came_in_the_background_is_evicted_first_and_the_newest_of_it(store: Parts) -> None:
    fill(store, instance(1), blocks=2, size=MB)
    for number in (11, 12, 13):
        store.records.keep(instance(number).to_json(), background=True)
        store.blocks.keep(instance(number), EXPLICIT, frames(1, size=2 * MB), may_evict=False)
    store.records.touch({instance(12).path: time.time()})

    fill(store, instance(2), blocks=8, size=MB)
    assert cached(store, 1, 2, 11, 12, 13) == [1, 2, 11, 12]
    fill(store, instance(3), blocks=2, size=MB)
    assert cached(store, 1, 2, 3, 11, 12) == [1, 2, 3, 12]


def test_a_pinned_study_is_not_evicted_until_it_is_unpinned(store: Parts) -> None:
    pinned = instance(1, path=InstancePath(f"{STUDY}.7", SERIES, INSTANCE))
    fill(store, pinned, blocks=4, size=MB)
    store.pins.pin(f"{STUDY}.7")
    for number in range(10, 20):
        fill(store, instance(number), blocks=2, size=2 * MB)
    assert len(store.blocks.of(pinned)) == 4

    store.pins.unpin(f"{STUDY}.7")
    fill(store, instance(30), blocks=5, size=2 * MB)
    fill(store, instance(31), blocks=5, size=2 * MB)
    assert store.blocks.of(pinned) == []


def test_many_may_write_and_read_at_once(store: Parts) -> None:
    errors: list[Exception] = []
    others = threading.active_count()

    def work(number: int) -> None:
        one = instance(number)
        try:
            for block in fill(store, one, blocks=3, size=200 * KB):
                assert read_frame(block, block.first) == bytes([block.first]) * (200 * KB)
            store.records.touch({one.path: time.time()})
            store.versions.of([one.orthanc_id])
            store.usage.total()
        except BlockGone:
            pass  # another thread evicted it
        except Exception as error:  # noqa: BLE001 - told to the test
            errors.append(error)

    with ThreadPoolExecutor(4) as executor:
        list(executor.map(work, range(60)))

    assert errors == []
    assert store.space.used() <= LIMIT
    assert threading.active_count() < others + 50


def made(number: int, study: int = 1, series: int = 1, frames: int = 4, version: int = 0) -> Instance:
    """An instance of its own; its IDs say where it belongs."""
    path = InstancePath(f"1.{study}", f"1.{study}.{series}", f"1.{study}.{series}.{number}")
    one = instance(number, uuid=uuid(100 * number + version), path=path, number_of_frames=frames)
    return replace(one, study_id=orthanc_id(9000 + study), series_id=orthanc_id(1000 * study + series))


ORDERS: tuple[Order, ...] = ("LastViewed", "Bytes", "Frames")
INSTANCES = [made(number, study=number % 2, series=number % 3) for number in range(4)]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["fill", "small", "index", "record", "newer", "purge", "stale", "block", "view"]),
        st.sampled_from(INSTANCES),
        st.integers(1, 4),
    ),
    max_size=25,
)


def step(store: Parts, what: str, one: Instance, frame: int, now: float) -> None:
    if what in ("fill", "small"):
        store.records.keep(one.to_json())
        store.blocks.keep(one, EXPLICIT if what == "fill" else HTJ2K, frames(frame, size=10))
    elif what == "index":
        store.blocks.keep_index(one, bytes(frame))
    elif what == "record":
        store.records.keep(one.to_json())
    elif what == "newer":
        newer = replace(one, attachment_uuid=uuid(int(one.orthanc_id[:8], 16) + 7000))
        store.records.keep(newer.to_json())
    elif what == "purge":
        store.versions.remove_all(one.orthanc_id)
    elif what == "stale":
        store.versions.remove({one.orthanc_id: {one.attachment_uuid}})
    elif what == "block":
        for block in store.blocks.of(one)[:1]:
            store.blocks.remove(block)
    else:
        store.records.touch({one.path: now})


def everything(
    store: Parts,
) -> tuple[TotalUsage, list[StudyUsagePage], Mapping[str, InstanceUsage], Mapping[str, Collection[str]], int]:
    pages = [store.usage.studies(order, 9, 0, None) for order in ORDERS]
    pages = [StudyUsagePage(page.total, list(page.studies)) for page in pages]
    names = [one.orthanc_id for one in INSTANCES]
    instances = dict(store.usage.instances(names))
    return store.usage.total(), pages, instances, store.versions.after("", 9), store.space.rows()


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_both_kinds_of_stores_have_the_same_in_them_whatever_was_done(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Instance, int]]
) -> None:
    disk, memory = on_disk(tmp_path_factory.mktemp("store")), in_memory(Path())
    for second, (what, one, frame) in enumerate(steps):
        for store in (disk, memory):
            step(store, what, one, frame, 4e9 + second)
    try:
        assert everything(disk) == everything(memory)
    finally:
        disk.close()


def metadata(number: int, attachment: str = "") -> InstanceMetadata:
    return InstanceMetadata.pack(orthanc_id(number), attachment or uuid(number), f'{{"{number}": {{}}}}'.encode())


def test_metadata_is_kept_of_one_version_of_each_instance(store: Parts) -> None:
    store.metadata.keep([metadata(1), metadata(2)])
    store.metadata.keep([metadata(1, uuid(9)), metadata(3)])

    found = store.metadata.of([orthanc_id(number) for number in (3, 1, 4)])
    assert found == {orthanc_id(1): metadata(1, uuid(9)), orthanc_id(3): metadata(3)}
    assert found[orthanc_id(3)].text() == b'{"3": {}}'
    assert store.metadata.versions([orthanc_id(1)]) == {orthanc_id(1): uuid(9)}
    assert list(store.metadata.after(orthanc_id(1), 1)) == [orthanc_id(2)]
    assert store.metadata.number() == 3


def test_metadata_goes_with_its_version_and_nobody_is_told(store: Parts, removed: list[object]) -> None:
    store.metadata.keep([metadata(number) for number in range(1, 5)])
    assert store.versions.of([orthanc_id(1), orthanc_id(9)]) == {orthanc_id(1): {uuid(1)}, orthanc_id(9): set()}

    store.versions.remove({orthanc_id(1): {uuid(9)}, orthanc_id(2): {uuid(2)}, orthanc_id(3): set()}, "deleted")
    assert sorted(store.metadata.after("", 9)) == [orthanc_id(number) for number in (1, 3, 4)]
    assert store.versions.remove_all(orthanc_id(3)) == 0
    assert sorted(store.metadata.after("", 9)) == [orthanc_id(number) for number in (1, 4)]
    assert removed == []


def test_metadata_of_uncached_instances_is_no_usage(store: Parts) -> None:
    store.metadata.keep([metadata(1)])

    assert (store.usage.total(), store.space.rows()) == (TotalUsage(), 0)
    assert store.versions.after("", 9) == {}
