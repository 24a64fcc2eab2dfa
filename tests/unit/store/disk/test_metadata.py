"""Metadata on disk: its share of the room, its age, and what SQLite does not notice."""

# ruff: noqa: S608 - statements are put together of names in the table itself

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from framecache.store.disk.disk_store import DiskStore
from framecache.store.disk.eviction import Lifetime
from framecache.store.disk.metadata import SHARE
from framecache.store.metadata import InstanceMetadata

from tests.unit.dicom_files import EXPLICIT
from tests.unit.fakes import instance, orthanc_id, uuid
from tests.unit.store.filled import LIMIT, frames

ALL = [orthanc_id(number) for number in range(10_000)]


def metadata(number: int, size: int = 10) -> InstanceMetadata:
    return InstanceMetadata(orthanc_id(number), uuid(number), size, bytes([number % 256]) * size)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DiskStore]:
    store = DiskStore(tmp_path, LIMIT, lifetime=Lifetime.of_all(100.0))
    yield store
    store.close()


def test_the_oldest_goes_beyond_its_share(store: DiskStore) -> None:
    number, size = 20, int(LIMIT * SHARE) // 15
    for one in range(number):
        store.metadata.keep([metadata(one, size)])
    kept = [int(name[:8], 16) for name in store.metadata.versions(ALL[:number])]

    assert max(kept) == number - 1
    assert len(kept) <= 15
    assert kept == sorted(kept)[-len(kept) :]
    assert store.metadata.number() == len(kept)


@pytest.mark.parametrize(("made_by", "number"), [("0a1b", 1), ("0a1c", 0), ("", 0)])
def test_what_other_settings_made_is_dropped(tmp_path: Path, made_by: str, number: int) -> None:
    before = DiskStore(tmp_path, LIMIT, metadata_made_by="0a1b")
    before.metadata.keep([metadata(1)])
    before.close()

    store = DiskStore(tmp_path, LIMIT, metadata_made_by=made_by)
    assert (store.metadata.number(), len(store.metadata.of(ALL[:2]))) == (number, number)
    store.metadata.keep([metadata(2)])
    assert store.metadata.number() == number + 1
    store.close()


def test_it_neither_pushes_out_frames_nor_is_pushed_out_by_them(store: DiskStore) -> None:
    one = instance(1)
    store.records.keep(one.to_json())
    store.blocks.keep(one, EXPLICIT, frames(1))
    store.metadata.keep([metadata(number) for number in range(200)])
    rows = store.space.rows()
    assert store.blocks.of(one)

    number = 2
    while store.blocks.of(one):
        store.records.keep(instance(number).to_json())
        store.blocks.keep(instance(number), EXPLICIT, frames(1, 2, 3))
        number += 1
    assert store.metadata.number() == 200
    assert rows < 10, "rows of the index cost a page each"


def test_what_is_as_old_as_frames_may_get_is_removed(store: DiskStore) -> None:
    store.metadata.keep([metadata(1)])
    store.tend(0.0)
    assert store.metadata.number() == 1

    store.tend(10e9)
    assert store.metadata.number() == 0


def test_what_is_damaged_is_not_found(store: DiskStore, tmp_path: Path) -> None:
    store.metadata.keep([metadata(1), metadata(2)])
    (path,) = tmp_path.glob("blocks-*/cache.db")
    with sqlite3.connect(path) as database:
        ((name,),) = database.execute(
            "SELECT name FROM sqlite_master WHERE name GLOB 'Metadata[0-9]*' AND type = 'table'"
        )
        database.execute(f"UPDATE {name} SET content = x'00' WHERE orthanc_id = ?", (orthanc_id(1),))
    database.close()

    assert list(store.metadata.of([orthanc_id(1), orthanc_id(2)])) == [orthanc_id(2)]


def test_that_of_another_version_of_the_plugin_is_dropped(tmp_path: Path) -> None:
    DiskStore(tmp_path, LIMIT).close()
    (path,) = tmp_path.glob("blocks-*/cache.db")
    with sqlite3.connect(path) as database:
        for table in ("Metadata", "MetadataSum"):
            database.execute(f"CREATE TABLE {table}0 (orthanc_id TEXT)")
            ((name,),) = database.execute(
                f"SELECT name FROM sqlite_master WHERE name GLOB '{table}[1-9]*' AND type = 'table'"
            )
            database.execute(f"DROP TABLE {name}")
    database.close()
    store = DiskStore(tmp_path, LIMIT)

    store.metadata.keep([metadata(1)])
    assert store.metadata.number() == 1
    store.close()
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM sqlite_master WHERE name LIKE 'Metadata%0'").fetchone() == (0,)
    database.close()


def test_it_outlives_a_restart(tmp_path: Path) -> None:
    store = DiskStore(tmp_path, LIMIT)
    store.metadata.keep([metadata(1)])
    store.close()
    store = DiskStore(tmp_path, LIMIT)

    assert store.metadata.of([orthanc_id(1)]) == {orthanc_id(1): metadata(1)}
    store.close()
