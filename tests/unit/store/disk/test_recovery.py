"""What a crash left behind is found at the next start: no file without a row, no row without its file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from framecache.store.disk.block_disk import DISK_BLOCK
from framecache.store.disk.disk_store import DiskStore
from framecache.store.store import RecoveryReport

from tests.disk import disk_usage
from tests.unit.blocks import path_of, read_frame
from tests.unit.fakes import instance, uuid
from tests.unit.own_files import OwnFiles
from tests.unit.store.disk.database import execute
from tests.unit.store.filled import KB, LIMIT, fill


def never() -> bool:
    return False


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DiskStore]:
    opened = DiskStore(tmp_path, LIMIT)
    yield opened
    opened.close()


def test_what_is_in_order_stays(store: DiskStore) -> None:
    rows = fill(store, instance(1), blocks=3)

    assert store.check(never) == RecoveryReport()
    assert store.blocks.of(instance(1)) == rows
    assert [read_frame(row, row.first) for row in rows] == [bytes([n]) * 100 * KB for n in (1, 2, 3)]


def test_files_without_a_row_are_removed_and_so_are_their_folders(store: DiskStore, tmp_path: Path) -> None:
    (kept,) = fill(store, instance(1))
    (lost,) = fill(store, instance(2))
    beside = path_of(kept).with_name("1.2.3_9-00000000.block")
    beside.write_bytes(bytes(5000))
    content = path_of(lost).read_bytes()
    store.versions.remove_all(instance(2).orthanc_id)
    path_of(lost).parent.mkdir(parents=True)
    path_of(lost).write_bytes(content)

    assert store.check(never) == RecoveryReport(orphans=2)
    assert list(tmp_path.rglob("*.block")) == [path_of(kept)]
    assert not path_of(lost).parent.exists()


def test_what_is_deleted_meanwhile_is_no_fault(store: DiskStore, own_files: OwnFiles) -> None:
    """The janitor may be at work already, and takes emptied folders with it."""
    fill(store, instance(1, uuid=f"aa{uuid(1)[2:]}"))
    fill(store, instance(2, uuid=f"bb{uuid(2)[2:]}"))
    scan = os.scandir

    class Listing(list[os.DirEntry[str]]):
        def __enter__(self) -> Listing:
            return self

        def __exit__(self, *_: object) -> None: ...

    def scan_and_delete(place: str | Path) -> Listing:
        found = Listing(scan(place))
        if Path(place).name == "blocks-2":
            store.versions.remove_all(instance(1).orthanc_id, instance(2).orthanc_id)
        return found

    own_files.replace("scandir", scan_and_delete)
    assert store.check(never) == RecoveryReport()


@pytest.mark.parametrize("fault", ["gone", "cut short", "folder gone"])
def test_rows_whose_files_are_gone_or_cut_short_are_forgotten(store: DiskStore, fault: str) -> None:
    (whole,) = fill(store, instance(1))
    (row,) = fill(store, instance(2))
    path = path_of(row)
    if fault == "gone":
        path.unlink()
    elif fault == "cut short":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        shutil.rmtree(path.parent)

    assert store.check(never) == RecoveryReport(lost=1)
    assert store.blocks.of(instance(2)) == []
    assert store.blocks.of(instance(1)) == [whole]
    assert not path.exists()


@pytest.mark.parametrize("name", ["blocks-1", "blocks-3", "blocks-2.broken-0a0b0c0d"])
def test_caches_of_other_versions_are_removed_and_nothing_else(store: DiskStore, tmp_path: Path, name: str) -> None:
    (row,) = fill(store, instance(1))
    shutil.copytree(tmp_path / "blocks-2", tmp_path / name)
    (tmp_path / name / "a file").touch()
    (tmp_path / "somebody's").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").touch()
    (tmp_path / name / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "blocks-link").symlink_to(tmp_path / "outside")

    assert store.check(never) == RecoveryReport(folders=1)
    assert not (tmp_path / name).exists()
    assert (tmp_path / "somebody's").is_dir()
    assert (tmp_path / "outside" / "file").exists()
    assert store.blocks.of(instance(1)) == [row]


def test_nothing_of_a_cache_of_the_version_before_is_used(tmp_path: Path) -> None:
    """It may hold frames that were wrong; a file of it may be used no more than a record or a note."""
    older = DiskStore(tmp_path, LIMIT)
    fill(older, instance(1))
    older.notes["progress"] = "half"
    older.close()
    (tmp_path / "blocks-2").rename(tmp_path / "blocks-1")

    newer = DiskStore(tmp_path, LIMIT)

    assert (newer.blocks.of(instance(1)), newer.records.get(instance(1).path)) == ([], None)
    assert (newer.versions.after("", 10), newer.notes.get("progress"), newer.space.rows()) == ({}, None, 0)
    assert newer.check(never) == RecoveryReport(folders=1)
    assert {path.name for path in tmp_path.iterdir()} == {"blocks-2", "lock"}
    newer.close()


def test_the_sums_are_counted_anew(store: DiskStore, tmp_path: Path) -> None:
    fill(store, instance(1), blocks=3)
    used = store.space.used()
    execute(tmp_path, "UPDATE Settings SET value = 0 WHERE key IN ('count', 'size')")
    assert store.space.used() < used

    store.check(never)

    assert store.space.rows() == 4
    assert store.space.used() >= used
    assert store.space.used() >= disk_usage(tmp_path / "blocks-2")


def test_it_ends_at_once_when_orthanc_stops(store: DiskStore, tmp_path: Path) -> None:
    fill(store, instance(1))
    shutil.copytree(tmp_path / "blocks-2", tmp_path / "blocks-1")

    assert store.check(lambda: True) == RecoveryReport()
    assert (tmp_path / "blocks-1").exists()


def test_what_cannot_be_removed_counts(store: DiskStore, tmp_path: Path, own_files: OwnFiles) -> None:
    other = tmp_path / "blocks-1" / "ab"
    other.mkdir(parents=True)
    (other / "file").write_bytes(bytes(1 << 20))
    used = store.space.used()
    own_files.replace("rmtree", lambda *_, **__: None, shutil)

    store.check(never)

    assert store.space.used() - used >= 1 << 20


def test_a_file_that_cannot_be_unlinked_counts_and_is_tried_again(store: DiskStore, own_files: OwnFiles) -> None:
    (row,) = fill(store, instance(1))

    def refuse(_path: str) -> None:
        raise PermissionError(13, "Permission denied")

    own_files.replace("remove", refuse)
    store.versions.remove_all(instance(1).orthanc_id)
    with_it = store.space.used()
    store.tend(0.0)
    assert (path_of(row).exists(), store.space.used()) == (True, with_it)
    own_files.undo()
    store.tend(0.0)

    assert not path_of(row).parent.exists()
    assert with_it - store.space.used() == row.size + DISK_BLOCK
