"""The sums of what is held are those of the index, whatever was written, removed, replaced or asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from framecache.dicom.identity import InstancePath
from framecache.orthanc.instance import Instance
from framecache.store.disk.disk_store import DiskStore
from framecache.store.usage import InstanceUsage, Order, StudyUsagePage, TotalUsage
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.dicom_files import EXPLICIT
from tests.unit.fakes import find_answer, orthanc_id, uuid
from tests.unit.store.disk.database import execute

DEFLATED = "1.2.840.10008.1.2.1.99"
HTJ2K = "1.2.840.10008.1.2.4.201"


def made(number: int, study: int = 1, series: int = 1, frames: int = 3, version: int = 0) -> Instance:
    """An instance of its own; its IDs tell where it belongs."""
    path = InstancePath(f"1.{study}", f"1.{study}.{series}", f"1.{study}.{series}.{number}")
    answer = find_answer(
        orthanc_id=orthanc_id(number), uuid=uuid(100 * number + version), path=path, number_of_frames=frames
    )
    answer["ParentSeries"] = orthanc_id(1000 * study + series)
    instance = Instance.from_find(answer)
    return Instance.from_json(
        instance.to_json().replace(b'"study_id": ""', f'"study_id": "{study_id(study)}"'.encode())
    )


def study_id(study: int) -> str:
    return orthanc_id(9000 + study)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DiskStore]:
    opened = DiskStore(tmp_path, 1 << 30)
    yield opened
    opened.close()


def fill(store: DiskStore, instance: Instance, *blocks: range, form: str = EXPLICIT) -> int:
    """Keep blocks of 10 bytes for each frame; returns their bytes."""
    store.records.keep(instance.to_json())
    return sum(store.blocks.keep(instance, form, {n: memoryview(bytes(10)) for n in block}).size for block in blocks)


def held(store: DiskStore, instance: Instance) -> InstanceUsage:
    return store.usage.instances([instance.orthanc_id])[instance.orthanc_id]


def everything(store: DiskStore, order: Order = "Bytes", limit: int = 100, offset: int = 0) -> StudyUsagePage:
    return store.usage.studies(order, limit, offset, None)


def test_frames_count_in_the_form_in_which_they_are_first_sent(store: DiskStore) -> None:
    instance = made(1, frames=5)
    size = fill(store, instance, range(1, 3), range(3, 4)) + fill(store, instance, range(1, 6), form=HTJ2K)

    found = held(store, instance)
    assert (found.frames, found.cached_frames, found.size) == (5, 3, size)
    assert (found.study_id, found.series_id, found.viewed) == (study_id(1), orthanc_id(1001), None)


def test_with_an_index_all_frames_are_held(store: DiskStore) -> None:
    instance = made(1, frames=5)
    store.records.keep(instance.to_json())
    store.blocks.keep_index(instance, bytes(100))

    assert (held(store, instance).cached_frames, held(store, instance).size) == (5, 100)
    store.blocks.keep_index(instance, bytes(40))
    assert (held(store, instance).cached_frames, held(store, instance).size) == (5, 40)


def test_frames_of_another_version_do_not_count(store: DiskStore) -> None:
    old, new = made(1, frames=5), made(1, frames=2, version=1)
    size = fill(store, old, range(1, 6))
    store.records.keep(new.to_json())
    assert (held(store, new).frames, held(store, new).cached_frames, held(store, new).size) == (2, 0, size)
    size += fill(store, new, range(1, 3))
    assert (held(store, new).cached_frames, held(store, new).size) == (2, size)
    store.versions.remove({old.orthanc_id: {old.attachment_uuid}})
    assert held(store, new).cached_frames == 2
    store.records.keep(old.to_json())
    assert held(store, old).cached_frames == 0


def test_what_is_forgotten_is_not_held(store: DiskStore) -> None:
    one, other = made(1), made(2)
    fill(store, one, range(1, 3))
    kept = fill(store, other, range(1, 2))
    row = store.blocks.keep(other, EXPLICIT, {2: memoryview(bytes(10))})
    store.blocks.remove(row)
    store.versions.remove_all(one.orthanc_id)

    assert store.usage.instances([one.orthanc_id, other.orthanc_id]).keys() == {other.orthanc_id}
    assert (held(store, other).cached_frames, held(store, other).size) == (1, kept)
    assert store.usage.total() == TotalUsage(studies=1, series=1, instances=1, frames=1)


def test_the_last_view_stays_with_an_instance_that_is_replaced(store: DiskStore) -> None:
    instance = made(1)
    fill(store, instance, range(1, 4))
    assert held(store, instance).viewed is None
    store.records.touch({instance.path: 4e9})
    fill(store, made(1, version=1), range(1, 4))

    assert held(store, instance).viewed == 4e9
    assert everything(store).studies[0].viewed == 4e9


def test_two_patients_with_the_same_uids_are_two_studies_and_the_index_keeps_one(store: DiskStore) -> None:
    one = made(1)
    other = replace(one, orthanc_id=orthanc_id(2))
    fill(store, one, range(1, 4))
    fill(store, other, range(1, 4))

    assert store.usage.instances([one.orthanc_id, other.orthanc_id]).keys() == {other.orthanc_id}


@pytest.mark.parametrize(("order", "studies"), [("LastViewed", [2, 3, 1]), ("Bytes", [1, 3, 2]), ("Frames", [3, 1, 2])])
def test_studies_are_told_in_order_and_page_by_page(store: DiskStore, order: Order, studies: list[int]) -> None:
    fill(store, made(1, study=1), range(1, 3))
    fill(store, made(1, study=1), range(1, 4), form=HTJ2K)
    fill(store, made(4, study=1, series=2), range(1, 2))
    fill(store, made(2, study=2), range(1, 2))
    fill(store, made(3, study=3, frames=4), range(1, 5))
    store.records.touch({made(3, study=3).path: 4e9, made(2, study=2).path: 4.1e9})

    pages = [everything(store, order, limit=2, offset=offset) for offset in (0, 2, 4)]
    assert [page.total for page in pages] == [3, 3, 3]
    assert [one.study_id for page in pages for one in page.studies] == [study_id(number) for number in studies]
    sums = {one.study_id: (one.series, one.instances, one.frames, one.cached_frames) for one in pages[0].studies}
    assert sums.get(study_id(1), (2, 2, 6, 3)) == (2, 2, 6, 3)
    named = store.usage.studies(order, 100, 0, [study_id(2), study_id(77)])
    assert (named.total, [one.study_id for one in named.studies]) == (1, [study_id(2)])
    assert store.usage.studies(order, 100, 0, []).studies == []


INSTANCES = [made(number, study=number % 2, frames=4) for number in range(3)]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["fill", "small", "index", "record", "newer", "forget", "stale", "block", "touch"]),
        st.sampled_from(INSTANCES),
        st.integers(1, 4),
    ),
    max_size=25,
)


def step(store: DiskStore, what: str, instance: Instance, frame: int) -> None:
    newer = made(int(instance.orthanc_id[:8], 16), int(instance.path.study_instance_uid[2:]), version=1)
    if what in ("fill", "small"):
        fill(store, instance, range(frame, frame + 1), form=EXPLICIT if what == "fill" else HTJ2K)
    elif what == "index":
        store.blocks.keep_index(instance, bytes(frame))
    elif what in ("record", "newer"):
        store.records.keep((newer if what == "newer" else instance).to_json())
    elif what == "forget":
        store.versions.remove_all(instance.orthanc_id)
    elif what == "stale":
        store.versions.remove({instance.orthanc_id: {instance.attachment_uuid}})
    elif what == "block":
        for row in store.blocks.of(instance)[:1]:
            store.blocks.remove(row)
    else:
        store.records.touch({instance.path: 4e9})


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_the_sums_are_those_that_the_index_gives(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Instance, int]]
) -> None:
    folder = tmp_path_factory.mktemp("store")
    store = DiskStore(folder, 1 << 30)
    for what, instance, frame in steps:
        step(store, what, instance, frame)
    names = [instance.orthanc_id for instance in INSTANCES]
    kept = store.usage.instances(names)
    store.close()
    execute(folder, "DROP TABLE Usage1")
    again = DiskStore(folder, 1 << 30)
    made_anew = again.usage.instances(names)
    again.close()

    def without_view(found: Mapping[str, InstanceUsage]) -> list[tuple[object, ...]]:
        return sorted((one.orthanc_id, one.frames, one.cached_frames, one.size) for one in found.values())

    assert without_view(kept) == without_view(made_anew)
