"""A file that somebody writes anew while it is open is never read as the one that was indexed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from framecache.client.files.file_collection import FileCollection
from framecache.errors import InstanceGone

from tests.unit.client.instances import stored


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[FileCollection]:
    (tmp_path / "one").write_bytes(stored(1, 1, 1))
    collection = FileCollection(tmp_path, None)
    collection.update()
    yield collection
    collection.close()


@pytest.mark.parametrize("content", [bytes(len(stored(1, 1, 1))), b"cut off"], ids=["as long", "shorter"])
def test_what_is_written_in_the_place_of_an_open_file_is_not_read(collection: FileCollection, content: bytes) -> None:
    path = collection.folder / "one"
    [instance] = collection.find()
    with collection.open(instance) as reader:
        expected = path.read_bytes()
        assert reader.read_at(0, instance.size) == expected
        path.write_bytes(content)
        os.utime(path, (1, 1))  # clocks of files are too coarse for a test
        with pytest.raises(InstanceGone):
            reader.read_at(0, instance.size)
        with pytest.raises(InstanceGone):
            reader.read_into(0, memoryview(bytearray(instance.size)))
