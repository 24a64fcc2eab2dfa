"""What diskcache may write and read: text keys, bytes and blocks; no pickle, no foreign path, owner only."""

from __future__ import annotations

import os
import pickle
import sqlite3
import stat
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import diskcache
import pytest
from framecache.store.disk.block_disk import BlockDisk, NewBlock

from tests.unit.fakes import UUID
from tests.unit.own_files import OwnFiles

NAME = "1.2.840.10008.1.2.1_1"
BLOCK = NewBlock(UUID, NAME, [b"header", memoryview(b"frame one"), memoryview(b"frame two")])
FEWEST = 10  # times that each comes and goes, however busy the machine is


OWN_BYTES = type("OwnBytes", (bytes,), {})(b"")


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[diskcache.Cache]:
    with diskcache.Cache(str(tmp_path / "cache"), disk=BlockDisk, eviction_policy="none") as opened:
        yield opened


@pytest.fixture
def disk(cache: diskcache.Cache) -> BlockDisk:
    found = cache.disk
    assert isinstance(found, BlockDisk)
    return found


@pytest.fixture
def no_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_positional: object, **_named: object) -> None:
        raise AssertionError("pickle was used")

    for name in ("dump", "dumps", "load", "loads", "Pickler", "Unpickler"):
        monkeypatch.setattr(pickle, name, explode)
    monkeypatch.setattr(diskcache.core.pickletools, "optimize", explode)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("cache.db")]


@pytest.mark.usefixtures("no_pickle")
def test_values_go_in_and_out_without_pickle(cache: diskcache.Cache, tmp_path: Path) -> None:
    cache.set("i/1", b"a record", tag="an id")
    cache.set("f/1", BLOCK, tag="an id")

    assert cache.get("i/1") == b"a record"
    assert list(cache) == ["i/1", "f/1"]
    assert [path.read_bytes() for path in files(tmp_path)] == [b"headerframe oneframe two"]
    assert cache.evict("an id") == 2
    assert files(tmp_path) == []


@pytest.mark.usefixtures("no_pickle")
@pytest.mark.parametrize("key", [1, 1.5, b"bytes", ("a", "tuple"), None, type("Text", (str,), {})("key")])
def test_keys_are_text_and_nothing_else(cache: diskcache.Cache, key: Any) -> None:
    with pytest.raises(TypeError):
        cache.set(key, b"value")
    with pytest.raises(TypeError):
        cache.get(key)


@pytest.mark.usefixtures("no_pickle")
@pytest.mark.parametrize(
    "value", ["text", 1, 1.5, None, {"a": 1}, bytearray(b"x"), [b"x"], type("B", (bytes,), {})(b"")]
)
def test_values_are_bytes_or_blocks_and_nothing_else(cache: diskcache.Cache, value: Any) -> None:
    with pytest.raises(TypeError):
        cache.set("key", value)


class Bomb:
    """Runs code where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("column", ["value", "file", "key"])
def test_a_pickle_that_someone_else_put_there_is_not_loaded(
    cache: diskcache.Cache, tmp_path: Path, column: str
) -> None:
    bomb, ran = pickle.dumps(Bomb(tmp_path / "ran")), tmp_path / "ran"
    cache.set("i/1", b"a record", tag="an id")
    folder = tmp_path / "cache"
    (folder / "bomb.val").write_bytes(bomb)
    with sqlite3.connect(folder / "cache.db") as connection:
        statement = {
            "value": "UPDATE Cache SET mode = 4, value = ?",
            "file": "UPDATE Cache SET mode = 4, filename = 'bomb.val', value = ?",
            "key": "UPDATE Cache SET raw = 0, key = ?",
        }[column]
        connection.execute(statement, (sqlite3.Binary(bomb),))

    if column == "key":
        with pytest.raises(TypeError):
            list(cache)
        assert cache.get("i/1") is None
    else:
        with pytest.raises(TypeError):
            cache.get("i/1")
    assert not ran.exists()
    pickle.loads(bomb)  # noqa: S301 - the bomb is a live one
    assert ran.exists()


FOREIGN = [
    "../victim",
    "/etc/passwd",
    f"1c/{UUID}/../../../victim.block",
    f"../1c/{UUID}/x.block",
    f"1c/{UUID}/x.block/../../../../victim",
    f"1c/{UUID}/x.val",
    f"1c/{UUID}/.block\n",
    f"1c/{UUID[:-1]}./x.block",
    f"1c/{UUID}/a b.block",
    f"1c/{UUID}/{'x' * 161}.block",
    f"1C/{UUID}/x.block",
    "cache.db",
    "lock",
    "",
    ".",
]


@pytest.mark.parametrize("filename", FOREIGN)
def test_a_foreign_file_name_is_neither_opened_nor_removed(disk: BlockDisk, tmp_path: Path, filename: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("dear")
    (tmp_path / "victim.block").write_text("dear")

    with pytest.raises(ValueError, match="not the name of a block"):
        disk.full_path(filename)
    disk.remove(filename)

    assert victim.read_text() == (tmp_path / "victim.block").read_text() == "dear"
    assert (tmp_path / "cache" / "cache.db").exists()


@pytest.mark.parametrize("filename", FOREIGN)
def test_a_row_with_a_foreign_file_name_goes_without_its_file(
    cache: diskcache.Cache, tmp_path: Path, filename: str
) -> None:
    (tmp_path / "victim").write_text("dear")
    cache.set("i/1", b"a record", tag="an id")
    with sqlite3.connect(tmp_path / "cache" / "cache.db") as connection:
        connection.execute("UPDATE Cache SET filename = ?", (filename,))

    assert cache.evict("an id") == 1
    assert (tmp_path / "victim").read_text() == "dear"
    assert (tmp_path / "cache" / "cache.db").exists()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o027])
def test_files_and_folders_are_the_owner_s_alone_under_any_umask(
    cache: diskcache.Cache, tmp_path: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        cache.set("f/1", BLOCK)
    finally:
        os.umask(before)

    (path,) = files(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (path.parent, path.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder


def test_the_folders_of_removed_blocks_go_and_those_of_others_stay(cache: diskcache.Cache, tmp_path: Path) -> None:
    cache.set("f/1", BLOCK)
    cache.set("f/2", NewBlock(UUID, "other", [b"x"]))
    folder = files(tmp_path)[0].parent
    cache.delete("f/1")
    assert folder.is_dir()
    cache.delete("f/2")

    assert not folder.parent.exists()
    assert (tmp_path / "cache").is_dir()


@pytest.mark.parametrize("blocks", [1, 100], ids=["few", "many"])
def test_files_that_cannot_be_unlinked_count_until_they_can(own_files: OwnFiles, disk: BlockDisk, blocks: int) -> None:
    files, remove = [], os.remove
    for number in range(blocks):
        size, _, filename, _ = disk.store(NewBlock(str(uuid.UUID(int=number << 100)), "1.2_1", [b"frame"]), False)
        assert filename is not None
        files.append((filename, size))

    def refuse(path: str) -> None:
        if path.endswith(files[0][0]):
            raise PermissionError
        remove(path)

    own_files.replace("remove", refuse)
    disk.remove_all(files)
    assert disk.stuck_bytes == files[0][1] + 4096  # at most, on disk
    assert [Path(disk.full_path(filename)).exists() for filename, _ in files] == [True] + [False] * (blocks - 1)

    own_files.replace("remove", remove)
    disk.retry()
    assert disk.stuck_bytes == 0
    assert not any(Path(disk.full_path(filename)).parent.parent.exists() for filename, _ in files)


def test_removing_a_block_twice_or_one_that_is_gone_is_nothing(disk: BlockDisk) -> None:
    disk.remove(f"1c/{UUID}/gone.block")


def test_a_block_that_cannot_be_written_leaves_nothing(
    cache: diskcache.Cache, tmp_path: Path, own_files: OwnFiles
) -> None:
    written: Iterator[int | OSError] = iter([3, OSError(28, "No space left on device")])

    def full(descriptor: int, content: memoryview) -> int:
        step = next(written)
        if isinstance(step, OSError):
            raise step
        return real(descriptor, content[:step])

    real = os.write
    own_files.replace("write", full)
    with pytest.raises(OSError, match="No space"):
        cache.set("f/1", BLOCK)
    own_files.undo()

    assert files(tmp_path) == []
    assert len(cache) == 0
    assert cache.get("f/1") is None


def test_a_write_in_small_steps_writes_all(cache: diskcache.Cache, tmp_path: Path, own_files: OwnFiles) -> None:
    real = os.write
    own_files.replace("write", lambda descriptor, content: real(descriptor, content[:2]))
    cache.set("f/1", BLOCK)
    own_files.undo()

    assert files(tmp_path)[0].read_bytes() == b"headerframe oneframe two"


def test_a_folder_that_vanishes_in_between_is_made_again(
    cache: diskcache.Cache, tmp_path: Path, own_files: OwnFiles
) -> None:
    real = os.open
    calls: list[object] = []

    def vanishing(path: Any, flags: int, *mode: int) -> int:
        if str(path).endswith(".block") and len(calls) < 3:
            calls.append(path)
            raise FileNotFoundError
        return real(path, flags, *mode)

    own_files.replace("open", vanishing)
    cache.set("f/1", BLOCK)

    assert len(calls) == 3
    assert len(files(tmp_path)) == 1


def test_blocks_are_written_while_the_folders_of_others_are_removed(disk: BlockDisk) -> None:
    """All in the folder of one prefix, which is empty again and again."""
    ended = threading.Event()

    def come_and_go(number: int) -> int:
        done = 0
        while not ended.is_set() or done <= FEWEST:
            block = NewBlock(f"ab{number:06x}-0f37-4b5e-9d61-3a7f2c8e5b90", "1.2_1", [b"x"])
            disk.store(block, read=False)
            disk.remove(block.filename)
            done += 1
        return done

    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(come_and_go, number) for number in range(3)]
        ended.wait(1.0)
        ended.set()
        assert all(future.result(60) > FEWEST for future in running)
