"""Reading by position: the same of a file and of memory, and an error instead of less than was asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from framecache.dicom.byte_reader import ByteReader, FileReader, MemoryReader
from framecache.errors import InstanceGone, SourceError

CONTENT = bytes(range(256)) * 40
Opener = Callable[[bytes], ByteReader]


@pytest.fixture(params=["file", "memory"])
def open_reader(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    def open_it(content: bytes) -> ByteReader:
        if request.param == "memory":
            return MemoryReader(content)
        (tmp_path / "stored").write_bytes(content)
        return FileReader(tmp_path / "stored")

    return open_it


@pytest.mark.parametrize(("offset", "length"), [(0, 0), (0, 10), (300, 1000), (len(CONTENT) - 5, 5)])
def test_bytes_are_read_where_they_lie(open_reader: Opener, offset: int, length: int) -> None:
    reader, target = open_reader(CONTENT), bytearray(length)

    reader.read_into(offset, memoryview(target))

    assert bytes(target) == reader.read_at(offset, length) == CONTENT[offset : offset + length]
    assert reader.size == len(CONTENT)


@pytest.mark.parametrize("offset", [len(CONTENT) - 4, len(CONTENT), len(CONTENT) + 1, 2**40])
def test_less_than_was_asked_for_is_an_error_or_is_short(open_reader: Opener, offset: int) -> None:
    reader = open_reader(CONTENT)

    assert reader.read_at(offset, 5) == CONTENT[offset:]
    with pytest.raises(SourceError, match="ends before"):
        reader.read_into(offset, memoryview(bytearray(5)))


def test_a_file_that_is_not_there_is_a_gone_instance(tmp_path: Path) -> None:
    with pytest.raises(InstanceGone):
        FileReader(tmp_path / "deleted")


def test_a_folder_in_the_file_s_place_is_an_error_of_the_source(tmp_path: Path) -> None:
    with FileReader(tmp_path) as reader, pytest.raises(SourceError, match="cannot be read"):
        reader.read_at(0, 1)
    with FileReader(tmp_path) as reader, pytest.raises(SourceError, match="cannot be read"):
        reader.read_into(0, memoryview(bytearray(1)))


def test_a_path_that_cannot_be_opened_is_an_error_of_the_source(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SourceError, match="cannot be opened"):
        FileReader(tmp_path / "file" / "below")


def test_a_file_cut_short_while_it_is_read_ends_in_an_error(tmp_path: Path) -> None:
    (tmp_path / "stored").write_bytes(CONTENT)
    with FileReader(tmp_path / "stored") as reader:
        os.truncate(tmp_path / "stored", 100)

        with pytest.raises(SourceError, match="ends before"):
            reader.read_into(50, memoryview(bytearray(100)))


def test_a_deleted_file_is_read_to_its_end_by_whoever_has_it_open(tmp_path: Path) -> None:
    (tmp_path / "stored").write_bytes(CONTENT)
    with FileReader(tmp_path / "stored") as reader:
        (tmp_path / "stored").unlink()

        assert reader.read_at(0, len(CONTENT)) == CONTENT


def test_a_closed_reader_gives_its_descriptor_back(tmp_path: Path) -> None:
    (tmp_path / "stored").write_bytes(CONTENT)
    for _ in range(5):
        with FileReader(tmp_path / "stored"):
            pass

    assert str(tmp_path / "stored") not in open_files()


def open_files() -> Iterator[str]:
    """Of this process; other threads may open and close some meanwhile."""
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            yield os.readlink(f"/proc/self/fd/{descriptor}")
