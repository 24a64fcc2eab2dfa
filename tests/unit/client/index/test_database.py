"""The database where it can only be read, and when several write."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from framecache.client.index.database import Database


def made(path: Path) -> Database:
    made = Database(path)
    with made.writing() as connection:
        connection.execute("INSERT INTO directories (path) VALUES ('a')")
    return made


def names(database: Database) -> list[str]:
    with database.reading() as connection:
        return [name for (name,) in connection.execute("SELECT path FROM directories ORDER BY path")]


def test_a_database_that_cannot_be_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path / "index.sqlite").close()
    monkeypatch.setattr("framecache.client.index.database.os.access", lambda *_: False)
    reader = Database(tmp_path / "index.sqlite")
    assert not reader.is_writable
    assert names(reader) == ["a"]
    with pytest.raises(sqlite3.OperationalError), reader.writing() as connection:
        connection.execute("DELETE FROM directories")
    reader.close()


@pytest.mark.parametrize("is_on_disk", [True, False])
def test_what_fails_is_not_written(tmp_path: Path, is_on_disk: bool) -> None:  # noqa: FBT001
    store = made(tmp_path / "index.sqlite") if is_on_disk else Database(None)
    before = names(store)
    with pytest.raises(sqlite3.IntegrityError), store.writing() as connection:
        connection.executemany("INSERT INTO directories (path) VALUES (?)", [["b"], ["b"]])
    assert names(store) == before
    store.close()


@pytest.mark.parametrize("is_on_disk", [True, False])
def test_what_a_thread_does_ends_before_its_connection_is_closed(tmp_path: Path, is_on_disk: bool) -> None:  # noqa: FBT001
    """SQLite ends the process if a connection is closed that is in use."""
    store = Database(tmp_path / "index.sqlite" if is_on_disk else None)
    is_inside, may_end, read = threading.Event(), threading.Event(), list[int]()

    def look() -> None:
        with store.reading() as connection:
            is_inside.set()
            assert may_end.wait(60)
            read.extend(connection.execute("SELECT count(*) FROM directories").fetchone())

    reader, closer = threading.Thread(target=look), threading.Thread(target=store.close)
    reader.start()
    assert is_inside.wait(60)
    closer.start()
    closer.join(0.2)
    assert closer.is_alive()
    may_end.set()
    for thread in (reader, closer):
        thread.join()

    assert read == [0]
    assert names(store) == []
    store.close()


def test_a_thread_goes_on_when_another_one_closes_the_database(tmp_path: Path) -> None:
    store = made(tmp_path / "index.sqlite")
    found = list[list[str]]()
    readers = [threading.Thread(target=lambda: found.extend(names(store) for _ in range(300))) for _ in range(2)]
    for reader in readers:
        reader.start()
    while any(reader.is_alive() for reader in readers):
        store.close()
    store.close()

    assert found == [["a"]] * 600


@pytest.mark.parametrize("is_on_disk", [True, False])
def test_threads_write_one_after_the_other(tmp_path: Path, is_on_disk: bool) -> None:  # noqa: FBT001
    store = Database(tmp_path / "index.sqlite" if is_on_disk else None)

    def write(number: int) -> None:
        for one in range(5):
            with store.writing() as connection:
                connection.execute("INSERT INTO directories (path) VALUES (?)", [f"{number}-{one}"])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(store)) == 20
    store.close()


def test_threads_that_ended_leave_no_files_open(tmp_path: Path) -> None:
    store = made(tmp_path / "index.sqlite")
    for _ in range(20):
        thread = threading.Thread(target=names, args=(store,))
        thread.start()
        thread.join()
    open_files = [os.readlink(one) for one in Path("/proc/self/fd").iterdir() if one.exists()]
    assert sum(str(store.path) in one for one in open_files) <= 6  # of this thread and the last, with log and its index
    assert names(store) == ["a"]
    store.close()


def test_a_file_that_was_removed_is_made_anew_with_all_its_tables(tmp_path: Path) -> None:
    store = Database(tmp_path / "index.sqlite", ["CREATE TABLE IF NOT EXISTS more (id INTEGER)"])
    with store.writing() as connection:
        connection.execute("INSERT INTO directories (path) VALUES ('a')")
    before = store.file
    for one in tmp_path.iterdir():
        one.unlink()
    assert names(store) == []
    assert store.file != before
    with store.reading() as connection:
        assert connection.execute("SELECT * FROM more").fetchall() == []
    store.close()


def test_a_file_that_another_process_is_making_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    with closing(sqlite3.connect(path, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.2, other.rollback)
        timer.start()
        made(path).close()
        timer.join()


def damage(path: Path) -> None:
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))


def use_for_another_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE directories")
        connection.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize("spoil", [damage, use_for_another_version])
def test_what_is_spoilt_while_it_is_open_is_made_anew_after_one_error(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    path = tmp_path / "index.sqlite"
    made(path).close()
    store = Database(path)
    assert store.file is not None
    spoil(path)
    with pytest.raises(sqlite3.DatabaseError):
        names(store)
    assert names(store) == []
    store.close()
