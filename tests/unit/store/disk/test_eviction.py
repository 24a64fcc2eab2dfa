"""What goes when there is no room: what arrived and was never asked for, then what was asked for longest ago."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from framecache.dicom.identity import InstancePath
from framecache.orthanc.instance import Instance
from framecache.store.disk.disk_store import DiskStore
from framecache.store.disk.eviction import Lifetime
from framecache.store.disk.space import DiskLow
from framecache.store.errors import DoesNotFit

from tests.disk import disk_usage
from tests.unit.dicom_files import INSTANCE, SERIES, STUDY
from tests.unit.fakes import instance
from tests.unit.own_files import OwnFiles, only_here
from tests.unit.store.disk.database import execute, on_new_connection, watch_statements
from tests.unit.store.filled import KB, LIMIT, MB, SYNTAX, fill, frames

DAY = 86400.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DiskStore]:
    opened = DiskStore(tmp_path, LIMIT)
    yield opened
    opened.close()


def of_study(study: int, number: int) -> Instance:
    return instance(number, path=InstancePath(f"{STUDY}.{study}", SERIES, f"{INSTANCE}.{number}"))


def kept(store: DiskStore, *numbers: int) -> list[int]:
    return [number for number in numbers if store.records.get(instance(number).path)]


def test_a_flood_of_new_instances_does_not_push_out_what_was_read(store: DiskStore) -> None:
    read, unread = instance(1), instance(2)
    fill(store, read, blocks=3, size=MB)
    fill(store, unread, blocks=3, size=MB)
    store.records.touch({read.path: time.time()})

    for number in range(10, 40):
        fill(store, instance(number), blocks=1, size=2 * MB)

    assert len(store.blocks.of(read)) == 3
    assert kept(store, 2, 10, 38, 39) == [38, 39]


def test_what_was_read_long_ago_goes_before_what_arrived_now(store: DiskStore, tmp_path: Path) -> None:
    read = instance(1)
    fill(store, read, blocks=3, size=MB)
    execute(tmp_path, "UPDATE Cache SET access_time = ?, access_count = 1", time.time() - 2 * DAY)
    fill(store, instance(2), blocks=10, size=MB)

    fill(store, instance(3), blocks=3, size=MB)

    assert kept(store, 1, 2, 3) == [2, 3]


def test_keeping_a_record_again_is_no_arrival(store: DiskStore) -> None:
    first, second = instance(1), instance(2)
    for one in (first, second):
        fill(store, one, blocks=6, size=MB)
        store.records.touch({one.path: time.time()})
    store.records.keep(first.to_json())

    fill(store, instance(3), blocks=4, size=MB)

    assert kept(store, 1, 2, 3) == [2, 3]


@pytest.mark.parametrize("jump", [-10 * 365 * DAY, 10 * 365 * DAY])
def test_a_clock_that_jumps_does_not_change_the_order(
    store: DiskStore, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    now = time.time()
    for number in (1, 2, 3):
        fill(store, instance(number), blocks=4, size=MB)
    store.records.touch({instance(number).path: now + number for number in (1, 2, 3)})
    monkeypatch.setattr(time, "time", only_here(lambda: now + jump, time.time))
    store.records.touch({instance(1).path: now + jump})
    monkeypatch.undo()
    store.records.touch({instance(2).path: now + 5})

    fill(store, instance(4), blocks=4, size=MB)

    assert kept(store, 1, 2, 3, 4) == [1, 2, 4]


def test_times_of_a_clock_that_was_wrong_are_put_right_at_the_next_start(tmp_path: Path) -> None:
    store = DiskStore(tmp_path, LIMIT)
    fill(store, instance(1))
    store.records.touch({instance(1).path: time.time() + 1000 * DAY})
    store.close()

    again = DiskStore(tmp_path, LIMIT, lifetime=Lifetime.of_all(DAY))
    assert kept(again, 1) == [1]
    again.tend(time.time() + DAY + 1)
    assert kept(again, 1) == []
    again.close()


def test_what_nobody_asked_for_so_long_goes_by_its_age(tmp_path: Path) -> None:
    store = DiskStore(tmp_path, LIMIT, lifetime=Lifetime.of_all(30 * DAY))
    for number in (1, 2):
        fill(store, instance(number))
    fill(store, of_study(7, 3))
    store.pins.pin(f"{STUDY}.7")
    now = time.time()
    store.records.touch({instance(2).path: now + DAY})
    store.tend(now)
    assert kept(store, 1, 2) == [1, 2]

    store.tend(now + 30 * DAY + 60)

    assert kept(store, 1, 2) == [2]
    assert store.records.get(of_study(7, 3).path)
    assert store.blocks.of(instance(1)) == []
    store.close()


def test_each_instance_stays_as_long_as_is_said_of_it_some_of_them_looked_at_each_time(tmp_path: Path) -> None:
    days = {instance(number).to_json(): number * DAY for number in range(6)}

    def lifetime(record: bytes) -> float:
        return days.get(record, 3.5 * DAY)

    store = DiskStore(tmp_path, LIMIT, lifetime=Lifetime(DAY, lifetime), expiry_batch=2)
    for number in range(6):
        fill(store, instance(number))
    execute(tmp_path, "UPDATE Cache SET value = 'unreadable' WHERE tag = ?", instance(5).orthanc_id)
    now = time.time()

    def after(days: float) -> list[int]:
        for second in range(5):
            store.tend(now + days * DAY + second)
        return [number for number in range(6) if store.blocks.of(instance(number))]

    assert after(0.9) == [0, 1, 2, 3, 4, 5]
    assert after(2.1) == [0, 3, 4, 5]
    assert after(3.6) == [0, 4]
    assert after(100) == [0]
    store.close()


def test_a_pinned_study_stays_and_survives_a_restart_until_it_is_unpinned(tmp_path: Path) -> None:
    pinned = of_study(7, 1)
    store = DiskStore(tmp_path, LIMIT)
    fill(store, pinned, blocks=4, size=MB)
    store.pins.pin(f"{STUDY}.7")
    store.close()
    store = DiskStore(tmp_path, LIMIT)
    assert store.pins.studies() == {f"{STUDY}.7"}
    for number in range(10, 20):
        fill(store, of_study(8, number), blocks=2, size=2 * MB)
    assert len(store.blocks.of(pinned)) == 4

    store.pins.unpin(f"{STUDY}.7")
    assert store.pins.studies() == frozenset()
    fill(store, of_study(8, 30), blocks=4, size=2 * MB)
    assert store.blocks.of(pinned) == []
    store.close()


def test_pins_never_hold_more_than_half_of_the_cache(store: DiskStore) -> None:
    pinned = [of_study(number, number) for number in range(1, 8)]
    for one in pinned:
        store.pins.pin(one.path.study_instance_uid)
        fill(store, one, blocks=2, size=MB)

    fill(store, instance(10), blocks=7, size=MB)

    assert len(store.blocks.of(instance(10))) == 7
    assert [bool(store.blocks.of(one)) for one in pinned] == [False] * 3 + [True] * 4


def test_other_studies_whose_uids_begin_alike_are_not_pinned(store: DiskStore) -> None:
    store.pins.pin(f"{STUDY}.7")
    for number in (1, 2):
        fill(store, of_study(77, number), blocks=6, size=MB)
    fill(store, of_study(78, 3), blocks=6, size=MB)
    assert store.blocks.of(of_study(77, 1)) == []


def free(monkeypatch: pytest.MonkeyPatch, store: DiskStore, total: int) -> None:
    """A disk of `total` bytes of which all is free that this cache does not take."""
    monkeypatch.setattr(
        os, "statvfs", lambda _: SimpleNamespace(f_frsize=1, f_bavail=max(0, total - store.space.used()))
    )


def test_with_little_left_on_the_disk_others_go_for_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DiskStore(tmp_path, LIMIT, minimum_free=10 * MB)
    free(monkeypatch, store, 18 * MB)
    for number in range(1, 6):
        fill(store, instance(number), blocks=2, size=MB)
        assert os.statvfs("").f_bavail >= 10 * MB
    assert kept(store, 1, 2, 3, 4, 5) == [3, 4, 5]
    store.close()


def test_a_disk_that_others_fill_gets_room_back_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DiskStore(tmp_path, LIMIT, minimum_free=10 * MB)
    free(monkeypatch, store, 40 * MB)
    for number in range(1, 6):
        fill(store, instance(number), blocks=2, size=MB)
    free(monkeypatch, store, 16 * MB)
    store.tend(0.0)
    assert kept(store, 1, 2, 3, 4, 5) == [4, 5]
    assert os.statvfs("").f_bavail >= 10 * MB

    free(monkeypatch, store, 5 * MB)
    with pytest.raises(DiskLow, match="10 MiB"):
        store.tend(0.0)
    assert kept(store, 1, 2, 3, 4, 5) == []
    with pytest.raises(DiskLow):
        store.blocks.keep(instance(9), SYNTAX, frames(1))
    store.close()


def test_one_that_does_not_fit_beside_the_pins_is_refused(store: DiskStore) -> None:
    store.pins.pin(STUDY)
    fill(store, instance(1), blocks=7, size=MB)
    with pytest.raises(DoesNotFit):
        fill(store, of_study(9, 2), blocks=12, size=MB)
    assert len(store.blocks.of(instance(1))) == 7


def test_files_count_until_they_are_gone(store: DiskStore, own_files: OwnFiles) -> None:
    """Their rows go first; whoever fills meanwhile must not take the room that they still have."""
    fill(store, instance(1), blocks=4, size=MB)
    remove, told = os.remove, list[int]()

    def slow(path: str) -> None:
        told.append(store.space.used())
        remove(path)

    used = store.space.used()
    own_files.replace("remove", slow)
    store.versions.remove_all(instance(1).orthanc_id)

    assert len(told) == 4
    assert min(told) >= 4 * MB
    assert store.space.used() <= used - 4 * MB


def test_small_files_count_as_on_the_disk_until_they_are_gone(
    store: DiskStore, tmp_path: Path, own_files: OwnFiles
) -> None:
    fill(store, instance(1), blocks=200, size=5000)
    remove, beyond = os.remove, list[int]()

    def slow(path: str) -> None:
        beyond.append(disk_usage(tmp_path) - store.space.used())
        remove(path)

    own_files.replace("remove", slow)
    store.versions.remove_all(instance(1).orthanc_id)

    assert len(beyond) == 200
    assert max(beyond) <= 0


def test_many_instances_are_forgotten_in_few_transactions(store: DiskStore, own_files: OwnFiles) -> None:
    for number in range(20):
        fill(store, instance(number), blocks=2, size=KB)
    names, statements = [instance(number).orthanc_id for number in range(20)], list[str]()

    watch_statements(own_files, statements.append)
    assert on_new_connection(lambda: store.versions.remove_all(*names)) == 60
    assert statements.count("COMMIT") == 1


def test_why_something_left_and_how_much_it_was_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, set[str], int]] = []
    store = DiskStore(
        tmp_path,
        LIMIT,
        3 * MB,
        Lifetime.of_all(30 * DAY),
        lambda cause, names, size: told.append((cause, set(names), size // MB)),
    )
    ones = [instance(number) for number in range(1, 8)]
    names = [one.orthanc_id for one in ones]
    free(monkeypatch, store, 1 << 40)
    for number in range(4):
        fill(store, ones[number], blocks=4, size=MB)
    assert told == [("size", {names[0]}, 4)]
    free(monkeypatch, store, 8 * MB)
    store.tend(0.0)
    assert told[1:] == [("free_disk", {names[1]}, 4), ("free_disk", {names[2]}, 4)]
    monkeypatch.undo()
    told.clear()

    store.tend(time.time() + 31 * DAY)
    (block,) = fill(store, ones[4], size=MB)
    fill(store, ones[5], size=MB)
    store.blocks.remove(block)
    store.versions.remove_all(names[5], "unknown")
    fill(store, ones[6], size=MB)
    store.versions.remove({names[6]: {ones[6].attachment_uuid}}, "deleted")
    store.versions.remove_all(names[6])
    causes = [("age", 3), ("damaged", 4), ("purged", 5), ("deleted", 6)]
    assert [(cause, who) for cause, who, _ in told] == [(cause, {names[place]}) for cause, place in causes]
    assert [size for _, _, size in told] == [4, 1, 1, 1]
    store.close()


def fill_unasked(store: DiskStore, number: int, size: int) -> None:
    one = instance(number)
    store.records.keep(one.to_json(), background=True)
    store.blocks.keep(one, SYNTAX, frames(1, size=size), may_evict=False)


def test_what_nobody_asked_for_evicts_nothing_and_goes_first_the_youngest_before_the_older(store: DiskStore) -> None:
    fill(store, instance(1), blocks=2, size=MB)
    for number in (11, 12, 13):
        fill_unasked(store, number, 2 * MB)
    assert 0 < store.space.left() < 8 * MB
    with pytest.raises(DoesNotFit):
        fill_unasked(store, 14, 8 * MB)
    assert kept(store, 1, 11, 12, 13) == [1, 11, 12, 13]

    store.records.touch({instance(12).path: time.time()})
    fill(store, instance(2), blocks=8, size=MB)
    assert kept(store, 1, 2, 11, 12) == [1, 2, 11, 12]
    assert kept(store, 13) == []
    fill(store, instance(3), blocks=2, size=MB)
    assert kept(store, 1, 2, 3, 11, 12) == [1, 2, 3, 12]
    for number in range(20, 40):
        fill(store, instance(number), blocks=1, size=2 * MB)
    assert kept(store, 1, 2, 3, 12) == [12]  # somebody has looked at it


def test_the_room_that_is_left_ends_where_the_disk_has_to_stay_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DiskStore(tmp_path, LIMIT, minimum_free=10 * MB)
    free(monkeypatch, store, 12 * MB)
    assert store.space.left() <= 2 * MB
    with pytest.raises(DoesNotFit, match="no room to spare"):
        fill_unasked(store, 1, 3 * MB)
    fill_unasked(store, 2, MB)
    free(monkeypatch, store, 9 * MB)
    assert store.space.left() < 0
    store.close()
