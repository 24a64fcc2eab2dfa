"""The store on disk, besides what every store does (`test_stores`): bounded, crash and tamper proof."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from framecache.store.disk import folder
from framecache.store.disk.disk_store import DiskStore
from framecache.store.disk.table import Table
from framecache.store.errors import StoreError

from tests.disk import disk_usage
from tests.unit.blocks import path_of, read_frame
from tests.unit.fakes import instance, uuid
from tests.unit.own_files import OwnFiles
from tests.unit.store.disk.database import execute
from tests.unit.store.filled import KB, LIMIT, MB, SYNTAX, fill, frames


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DiskStore]:
    opened = DiskStore(tmp_path / "cache", LIMIT)
    yield opened
    opened.close()


def test_notes_survive_and_belong_to_no_instance(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache", LIMIT)
    assert store.notes.get("changes") is None
    for value in ("1", "22"):
        store.notes["changes"] = value
    store.close()
    again = DiskStore(tmp_path / "cache", LIMIT)

    assert again.notes.get("changes") == "22"
    assert again.versions.after("", 10) == {}
    again.close()


def test_blocks_of_one_frame_are_told_from_those_whose_numbers_begin_alike(store: DiskStore) -> None:
    """`1-1` is the beginning of `1-10`, and frame 1 that of frame 10."""
    one = instance(1)
    ten = store.blocks.keep(one, SYNTAX, frames(*range(1, 11), size=10))
    single = store.blocks.keep(one, SYNTAX, frames(1, size=20))

    assert (single.count, ten.count) == (1, 10)
    assert read_frame(single, 1) == b"\1" * 20


def test_a_block_that_is_written_again_replaces_the_old_one(store: DiskStore) -> None:
    one = instance(1)
    old = store.blocks.keep(one, SYNTAX, frames(1, size=10))
    new = store.blocks.keep(one, SYNTAX, frames(1, size=20))

    assert [row.key for row in store.blocks.of(one)] == [new.key]
    assert not path_of(old).exists()
    assert len(read_frame(new, 1)) == 20


def test_a_cache_that_is_opened_again_knows_what_it_knew(tmp_path: Path) -> None:
    one = instance(1)
    first = DiskStore(tmp_path, LIMIT)
    fill(first, one, blocks=2)
    first.close()
    second = DiskStore(tmp_path, LIMIT)

    assert second.records.get(one.path) == one.to_json()
    assert [read_frame(row, row.first) for row in second.blocks.of(one)] == [b"\1" * 100 * KB, b"\2" * 100 * KB]
    second.close()


def test_forgetting_an_instance_removes_its_rows_and_files_and_no_other_s(store: DiskStore, tmp_path: Path) -> None:
    one, other = instance(1), instance(2)
    fill(store, one, blocks=3)
    (kept,) = fill(store, other)

    assert store.versions.remove_all(one.orthanc_id) == 4
    assert store.records.get(one.path) is None
    assert store.blocks.of(one) == []
    assert list((tmp_path / "cache").rglob("*.block")) == [path_of(kept)]
    assert store.versions.remove_all("unknown") == 0


def test_a_record_that_cannot_be_read_is_of_no_version_and_can_be_removed(store: DiskStore, tmp_path: Path) -> None:
    one = instance(1)
    fill(store, one)
    execute(tmp_path, "UPDATE Cache SET value = ? WHERE key GLOB 'i/*'", b"{}")
    assert store.versions.of([one.orthanc_id]) == {one.orthanc_id: {uuid(1), ""}}

    store.versions.remove({one.orthanc_id: {""}})

    assert store.versions.of([one.orthanc_id]) == {one.orthanc_id: {uuid(1)}}


def test_an_older_access_never_makes_an_instance_older(store: DiskStore) -> None:
    first, second = instance(1), instance(2)
    for one in (first, second):
        fill(store, one, blocks=7, size=MB - 10 * KB)
    store.records.touch({first.path: 5e9, second.path: 4e9})
    store.records.touch({first.path: 1.0})

    fill(store, instance(3), blocks=3, size=MB - 10 * KB)

    assert (len(store.blocks.of(first)), len(store.blocks.of(second))) == (7, 0)


def test_two_instances_of_the_same_uids_can_both_be_evicted(store: DiskStore) -> None:
    """Two patients may own the same UIDs: two Orthanc IDs, one record."""
    one, same = instance(1), instance(2, path=instance(1).path)
    fill(store, one, blocks=6, size=MB)
    fill(store, same, blocks=6, size=MB)

    fill(store, instance(3), blocks=14, size=MB)

    assert len(store.blocks.of(instance(3))) == 14


@pytest.mark.parametrize(("size", "instances"), [(MB, 12), (200 * KB, 60), (5000, 500)])
def test_the_folder_never_exceeds_its_limit_while_many_fill_it(tmp_path: Path, size: int, instances: int) -> None:
    folder = tmp_path / "cache"
    store = DiskStore(folder, LIMIT)
    most, stop = 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not stop.wait(0.01):
            most = max(most, disk_usage(folder))

    def work(number: int) -> None:
        with contextlib.suppress(StoreError):  # another thread may evict what has just been written
            fill(store, instance(number), blocks=3, size=size)

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(4) as executor:
        list(executor.map(work, range(instances)))
    stop.set()
    watcher.join()

    most = max(most, disk_usage(folder))
    assert most <= LIMIT
    assert most >= LIMIT * 0.5, "the test has to come near the limit"
    assert store.space.used() <= LIMIT
    store.close()


def test_a_reservation_is_given_back_when_writing_fails(store: DiskStore, own_files: OwnFiles) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    used = store.space.used()
    own_files.replace("write", full)
    for _ in range(40):
        with pytest.raises(OSError, match="No space"):
            store.blocks.keep(instance(1), SYNTAX, frames(1, size=MB))
    own_files.undo()

    assert store.space.used() == used
    fill(store, instance(2), blocks=10, size=MB)


def test_a_connection_that_was_opened_while_the_disk_was_read_only_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite opens for reading what it may not write, and leaves it at that when it may again."""
    store, connect, opened = DiskStore(tmp_path, LIMIT), sqlite3.connect, list[str]()

    def read_only_at_first(path: str, **options: Any) -> sqlite3.Connection:
        if not path.startswith(str(tmp_path)):
            others: sqlite3.Connection = connect(path, **options)
            return others
        opened.append(path)
        address = f"file:{path}?mode=ro" if len(opened) == 1 else f"file:{path}"
        made: sqlite3.Connection = connect(address, uri=True, **options)
        return made

    monkeypatch.setattr(sqlite3, "connect", read_only_at_first)
    with ThreadPoolExecutor(1) as worker:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            worker.submit(fill, store, instance(1)).result()
        assert worker.submit(fill, store, instance(1)).result()
    assert len(opened) == 2
    store.close()


def test_a_second_opener_of_the_folder_is_refused(tmp_path: Path) -> None:
    first = DiskStore(tmp_path, LIMIT)
    with pytest.raises(StoreError, match="in use by another Orthanc"):
        DiskStore(tmp_path, LIMIT)
    fill(first, instance(1))
    first.close()

    DiskStore(tmp_path, LIMIT).close()


@pytest.mark.parametrize(
    "content", [b"not a database at all" * 500, b"SQLite format 3\0" + b"\xff" * 8000], ids=["text", "garbled"]
)
def test_a_damaged_index_is_set_aside_and_the_cache_begins_anew(tmp_path: Path, content: bytes) -> None:
    first = DiskStore(tmp_path, LIMIT)
    fill(first, instance(1))
    first.close()
    (database,) = tmp_path.rglob("cache.db")
    for path in database.parent.glob("cache.db*"):
        path.unlink()
    database.write_bytes(content)

    second = DiskStore(tmp_path, LIMIT)

    assert second.records.get(instance(1).path) is None
    fill(second, instance(2))
    assert [path for path in tmp_path.iterdir() if ".broken-" in path.name]
    second.close()


@pytest.mark.parametrize(
    "change",
    [
        "DROP INDEX Cache_key_raw; ALTER TABLE Cache RENAME COLUMN raw TO cooked",
        "DROP TABLE Cache; CREATE TABLE Cache (key TEXT)",
        "DROP TABLE Settings; CREATE TABLE Settings (name TEXT)",
        "DROP TABLE Cache; CREATE VIEW Cache AS SELECT 1",
    ],
)
def test_an_index_of_another_version_is_set_aside_and_the_cache_begins_anew(tmp_path: Path, change: str) -> None:
    first = DiskStore(tmp_path, LIMIT)
    fill(first, instance(1))
    first.close()
    with sqlite3.connect(next(tmp_path.rglob("cache.db"))) as connection:
        connection.executescript(change)
    connection.close()

    second = DiskStore(tmp_path, LIMIT)

    assert second.records.get(instance(1).path) is None
    fill(second, instance(2))
    assert [path for path in tmp_path.iterdir() if ".broken-" in path.name]
    second.close()


def test_an_index_whose_damage_shows_only_when_its_pins_are_read_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = DiskStore(tmp_path, LIMIT)
    fill(first, instance(1))
    first.close()
    keys_with = Table.keys_with

    def fail_on_the_old(table: Table, prefix: str) -> list[str]:
        if len(table):
            raise sqlite3.DatabaseError("database disk image is malformed")
        return keys_with(table, prefix)

    monkeypatch.setattr(Table, "keys_with", fail_on_the_old)
    second = DiskStore(tmp_path, LIMIT)

    assert second.records.get(instance(1).path) is None
    fill(second, instance(2))
    assert [path for path in tmp_path.iterdir() if ".broken-" in path.name]
    second.close()


def test_a_cache_of_an_older_version_is_read(tmp_path: Path) -> None:
    """The first one wrote records without a modality, and neither notes nor pins; a newer one may write more.

    Its records are given as they are; who reads them decides. The blocks are used all the same.
    """
    first, (older, newer) = DiskStore(tmp_path, LIMIT), (instance(1), instance(2))
    rows = [*fill(first, older), *fill(first, newer)]
    first.close()
    without = {key: value for key, value in json.loads(older.to_json()).items() if key != "modality"}
    more = {**json.loads(newer.to_json()), "added_later": 1}
    for one, record in ((older, without), (newer, more)):
        values = json.dumps(record).encode(), one.orthanc_id
        execute(tmp_path, "UPDATE Cache SET value = ? WHERE key GLOB 'i/*' AND tag = ?", *values)

    second = DiskStore(tmp_path, LIMIT)
    assert second.records.get(older.path) == json.dumps(without).encode()
    assert second.records.get(newer.path) == json.dumps(more).encode()
    assert [*second.blocks.of(older), *second.blocks.of(newer)] == rows
    second.records.keep(newer.to_json())
    assert second.records.get(newer.path) == newer.to_json()
    second.close()


@pytest.mark.parametrize("error", ["unable to open database file", "disk I/O error", "database or disk is full"])
def test_an_index_that_cannot_be_opened_now_is_not_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    first = DiskStore(tmp_path, LIMIT)
    fill(first, instance(1))
    first.close()

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError(error)

    monkeypatch.setattr(folder, "Table", fail)
    with pytest.raises(StoreError, match=error):
        DiskStore(tmp_path, LIMIT)
    monkeypatch.undo()

    second = DiskStore(tmp_path, LIMIT)
    assert second.records.get(instance(1).path) == instance(1).to_json()
    second.close()


@pytest.mark.parametrize("place", ["file", "below a file", "nul"])
def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    directory = {"file": tmp_path / "file", "below a file": tmp_path / "file/x", "nul": tmp_path / "a\0b"}[place]

    with pytest.raises(StoreError, match="cannot be used"):
        DiskStore(directory, LIMIT)


@pytest.mark.parametrize("damage", ["path", "json", "uid"])
def test_a_record_that_is_not_of_its_uids_is_no_record(store: DiskStore, tmp_path: Path, damage: str) -> None:
    """SQLite has no checksums: a changed row must not lead to another instance's frames."""
    one, other = instance(1), instance(2)
    store.records.keep(one.to_json())
    content = {
        "path": other.to_json(),
        "json": one.to_json()[:-5],
        "uid": one.to_json().replace(b"1.2.3.4.5.1", b"1.2.3.4.5.x"),
    }[damage]
    execute(tmp_path, "UPDATE Cache SET value = ?", content)

    assert store.records.get(one.path) is None


def test_an_index_is_kept_for_its_version_and_goes_with_its_instance(tmp_path: Path) -> None:
    first = DiskStore(tmp_path, LIMIT)
    old, new, other = instance(1), instance(1, uuid=uuid(9)), instance(2)
    for one in (old, new, other):
        first.records.keep(one.to_json())
        first.blocks.keep_index(one, one.attachment_uuid.encode())
    first.close()

    second = DiskStore(tmp_path, LIMIT)
    second.versions.remove({new.orthanc_id: {old.attachment_uuid}})
    assert (second.blocks.index(old), second.blocks.index(new)) == (None, uuid(9).encode())
    assert second.records.get(new.path) == new.to_json()
    second.versions.remove_all(new.orthanc_id)
    assert (second.blocks.index(new), second.blocks.index(other)) == (None, uuid(2).encode())
    assert second.blocks.of(other) == []
    second.close()


def test_indexes_stay_while_there_are_blocks_to_evict(store: DiskStore) -> None:
    indexed = [instance(number) for number in range(20)]
    for one in indexed:
        store.records.keep(one.to_json())
        store.blocks.keep_index(one, bytes(1000))
    fill(store, instance(50), blocks=10, size=MB)
    fill(store, instance(51), blocks=10, size=MB)

    assert not store.blocks.of(instance(50))
    assert all(store.blocks.index(one) for one in indexed)


def test_indexes_make_room_when_there_is_nothing_else(store: DiskStore) -> None:
    large = [instance(number) for number in range(30)]
    for one in large:
        store.records.keep(one.to_json())
        store.blocks.keep_index(one, os.urandom(MB))

    assert store.space.used() <= LIMIT
    assert store.blocks.index(large[0]) is None
    assert store.blocks.index(large[-1]) is not None


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_everything_is_the_owner_s_alone_under_any_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store = DiskStore(tmp_path / "cache", LIMIT)
        fill(store, instance(1))
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "cache").rglob("*")}
        store.close()
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700
    assert {oct(mode) for path, mode in modes.items() if path.is_file()} == {"0o600"}
    assert {oct(mode) for path, mode in modes.items() if path.is_dir()} == {"0o700"}


def test_a_folder_that_was_there_keeps_its_mode_and_what_is_ours_in_it_is_closed_to_others(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o755)
    (tmp_path / "cache").chmod(0o755)
    (tmp_path / "cache" / "blocks-2").mkdir(mode=0o755)
    DiskStore(tmp_path / "cache", LIMIT).close()

    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "cache" / "blocks-2").stat().st_mode) == 0o700


def test_file_names_hold_uids_only(store: DiskStore, tmp_path: Path) -> None:
    (row,) = fill(store, instance(1))
    relative = path_of(row).relative_to(tmp_path / "cache")

    assert relative.parts[:3] == ("blocks-2", uuid(1)[:2], uuid(1))
    assert relative.name.startswith(f"{SYNTAX}_1-")
