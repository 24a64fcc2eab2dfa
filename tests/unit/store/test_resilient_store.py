"""A fault of the folder is noted, never raised to a reader, and repaired when it can be."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from framecache.store.disk.disk_store import DiskStore
from framecache.store.disk.recovery import Recovery
from framecache.store.errors import DoesNotFit, StoreError
from framecache.store.resilient_store import ResilientStore
from framecache.store.store import RecoveryReport

from tests.unit.blocks import path_of
from tests.unit.fakes import FakeClock, FakeLog, instance
from tests.unit.own_files import OwnFiles
from tests.unit.store.disk.database import on_new_connection, watch_statements
from tests.unit.store.filled import LIMIT, MB, SYNTAX, fill, frames

Bench = tuple[ResilientStore, FakeLog, FakeClock, Path]
SECOND = 5.0


def never() -> bool:
    return False


@pytest.fixture
def bench(tmp_path: Path, log: FakeLog) -> Iterator[Bench]:
    clock = FakeClock()
    store = ResilientStore(lambda: DiskStore(tmp_path, LIMIT), LIMIT, clock)
    yield store, log, clock, tmp_path
    store.close()


def reason(store: ResilientStore) -> str:
    assert store.degraded is not None
    return store.degraded.reason


@pytest.mark.parametrize("error", [28, 30, 5, 13, 122], ids=["full", "read-only", "I/O error", "permission", "quota"])
def test_a_disk_that_cannot_be_written_degrades_the_store_until_it_can_be(
    bench: Bench, own_files: OwnFiles, error: int
) -> None:
    store, log, clock, _ = bench
    (row,) = fill(store, instance(1))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(error, os.strerror(error))

    own_files.replace("write", refuse)
    for _ in range(3):
        with pytest.raises(StoreError, match=os.strerror(error)):
            store.blocks.keep(instance(2), SYNTAX, frames(1))
    assert store.degraded is not None
    assert (store.degraded.since, store.degraded.reason) == (1000.0, os.strerror(error))
    assert store.blocks.of(instance(1)) == [row]
    assert store.records.get(instance(1).path) == instance(1).to_json()
    clock.now += 60
    store.tend(never)
    assert store.degraded.since == 1000.0
    own_files.undo()
    store.tend(never)

    assert store.degraded is None
    fill(store, instance(2))
    assert (len(log.of("error")), len(log.of("warning"))) == (1, 1)
    assert store.blocks.of(instance(1)) == [row]


def test_one_that_does_not_fit_is_no_fault(bench: Bench) -> None:
    store, _, _, _ = bench
    with pytest.raises(DoesNotFit):
        store.blocks.keep(instance(1), SYNTAX, frames(1, size=LIMIT))
    assert store.degraded is None


def garble(folder: Path) -> None:
    """As when another program writes over it: the connections that are open notice."""
    for path in (folder / "blocks-2").glob("cache.db*"):
        path.write_bytes(b"\xff" * 65536)


def unlink(folder: Path) -> None:
    for path in (folder / "blocks-2").glob("cache.db*"):
        path.unlink()


def remove_all(folder: Path) -> None:
    shutil.rmtree(folder / "blocks-2")


def remove_folder(folder: Path) -> None:
    shutil.rmtree(folder)


@pytest.mark.parametrize("damage", [garble, unlink, remove_all, remove_folder])
def test_an_index_that_is_damaged_while_it_is_used_is_set_aside_and_the_cache_rebuilt(
    bench: Bench, damage: Callable[[Path], None]
) -> None:
    store, log, _, folder = bench
    fill(store, instance(1), blocks=3)
    damage(folder)
    for _ in range(3):
        assert store.blocks.of(instance(2)) == []
        assert store.records.get(instance(2).path) is None
    store.tend(never)
    store.tend(never)
    assert store.degraded is None
    assert store.records.get(instance(1).path) is None
    assert len(log.of("error")) == 1

    (row,) = fill(store, instance(2))
    assert store.blocks.of(instance(2)) == [row]
    assert {path.name for path in folder.iterdir()} == {"blocks-2", "lock"}
    assert list(folder.rglob("*.block")) == [path_of(row)]
    store.close()
    DiskStore(folder, LIMIT).close()


def test_a_folder_that_comes_back_while_it_is_used_is_taken_as_it_is(bench: Bench) -> None:
    """As a disk that was mounted again, or a copy that was brought back."""
    store, _, _, folder = bench
    (row,) = fill(store, instance(1))
    shutil.copytree(folder / "blocks-2", folder / "copy")
    (later,) = fill(store, instance(2))
    (folder / "blocks-2").rename(folder / "away")
    (folder / "copy").rename(folder / "blocks-2")
    store.tend(never)
    assert "another file" in reason(store)
    store.tend(never)

    assert store.degraded is None
    assert (store.blocks.of(instance(1)), store.blocks.of(instance(2))) == ([row], [])
    assert path_of(row).exists()
    assert not path_of(later).exists()
    fill(store, instance(2))


def test_an_index_that_cannot_be_read_behind_its_first_pages_is_set_aside(tmp_path: Path) -> None:
    first = DiskStore(tmp_path, LIMIT)
    for number in range(100):
        first.records.keep(instance(number).to_json())
    first.close()
    with (tmp_path / "blocks-2" / "cache.db").open("r+b") as file:
        file.seek(16 * 4096)
        file.write(b"\xff" * (os.fstat(file.fileno()).st_size - 16 * 4096))
    store = ResilientStore(lambda: DiskStore(tmp_path, LIMIT), LIMIT, FakeClock())
    store.check(never)
    store.tend(never)

    assert store.degraded is None
    fill(store, instance(1))
    assert {path.name for path in tmp_path.iterdir()} == {"blocks-2", "lock"}
    store.close()


def test_an_index_that_the_check_cannot_read_is_set_aside_though_it_can_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the folder was in use at the start, and the check comes when it is had at last."""
    first = DiskStore(tmp_path, LIMIT)
    first.records.keep(instance(1).to_json())
    store = ResilientStore(lambda: DiskStore(tmp_path, LIMIT), LIMIT, FakeClock())
    first.close()
    run, checked = Recovery.run, list[Recovery]()

    def fail_on_the_old(check: Recovery) -> RecoveryReport:
        checked.append(check)
        if len(checked) == 1:
            raise sqlite3.DatabaseError("database disk image is malformed")
        return run(check)

    monkeypatch.setattr(Recovery, "run", fail_on_the_old)
    store.tend(never)
    assert reason(store) == "database disk image is malformed"
    store.tend(never)

    assert store.degraded is None
    assert store.records.get(instance(1).path) is None
    store.close()


def test_a_check_that_could_not_be_made_is_made_before_anything_is_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the files that a crash left behind would never count, and the cache grow beyond its limit."""
    store, _, _, folder = bench
    fill(store, instance(1))
    orphan = next(folder.rglob("*.block")).with_name("1.2.3_9-00000000.block")
    orphan.write_bytes(bytes(MB))

    def refuse(_: Recovery) -> RecoveryReport:
        raise OSError(5, os.strerror(5))

    with monkeypatch.context() as fault:
        fault.setattr(Recovery, "run", refuse)
        store.check(never)
        store.tend(never)
    assert reason(store) == os.strerror(5)
    store.tend(never)

    assert store.degraded is None
    assert not orphan.exists()


def test_a_folder_that_cannot_be_had_at_the_start_is_had_later(tmp_path: Path) -> None:
    first = DiskStore(tmp_path, LIMIT)
    store = ResilientStore(lambda: DiskStore(tmp_path, LIMIT), LIMIT, FakeClock())
    assert "in use by another Orthanc" in reason(store)
    assert store.blocks.of(instance(1)) == []
    assert (store.space.used(), store.space.rows(), store.pins.studies()) == (0, 0, frozenset())
    with pytest.raises(StoreError, match="in use"):
        store.records.keep(instance(1).to_json())
    with pytest.raises(StoreError, match="in use"):
        store.pins.pin("1.2")
    store.tend(never)
    assert "in use by another Orthanc" in reason(store)
    first.close()
    store.tend(never)

    assert store.degraded is None
    fill(store, instance(1))
    store.close()


def test_what_cannot_be_looked_up_now_is_not_taken_for_cleaned_up(tmp_path: Path) -> None:
    first, one = DiskStore(tmp_path, LIMIT), instance(1)
    first.records.keep(one.to_json())
    store = ResilientStore(lambda: DiskStore(tmp_path, LIMIT), LIMIT, FakeClock())
    with pytest.raises(StoreError, match="in use by another Orthanc"):
        store.versions.of([one.orthanc_id])
    assert "in use by another Orthanc" in reason(store)
    first.close()
    store.tend(never)

    assert store.versions.of([one.orthanc_id]) == {one.orthanc_id: {one.attachment_uuid}}
    store.close()


def test_a_transaction_that_cannot_be_committed_leaves_no_file(bench: Bench, own_files: OwnFiles) -> None:
    store, _, _, folder = bench
    fill(store, instance(1))

    def refuse(statement: str) -> None:
        if statement == "COMMIT":
            raise sqlite3.OperationalError("database or disk is full")

    watch_statements(own_files, refuse)
    with pytest.raises(StoreError, match="full"):
        on_new_connection(lambda: store.blocks.keep(instance(2), SYNTAX, frames(1)))
    own_files.undo()
    assert reason(store) == "database or disk is full"
    assert len(list(folder.rglob("*.block"))) == 1

    store.tend(never)
    assert store.degraded is None
    fill(store, instance(2))


def test_nothing_is_kept_noted_or_opened_after_its_end(bench: Bench) -> None:
    store, log, _, folder = bench
    fill(store, instance(1))
    store.close()
    with contextlib.suppress(StoreError):
        store.blocks.keep(instance(2), SYNTAX, frames(1))
    store.tend(never)

    assert log.lines == []
    DiskStore(folder, LIMIT).close()


def test_what_is_removed_while_degraded_makes_room(bench: Bench, own_files: OwnFiles) -> None:
    store, _, _, folder = bench
    fill(store, instance(1), blocks=2)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    own_files.replace("write", refuse)
    with pytest.raises(StoreError):
        store.blocks.keep(instance(2), SYNTAX, frames(1, size=MB))
    assert store.versions.remove_all(instance(1).orthanc_id) == 3
    assert list(folder.rglob("*.block")) == []
