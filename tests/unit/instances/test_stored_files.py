"""Stored files, wherever they are: in a folder, elsewhere by range, and through Orthanc where that fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from framecache.errors import HandOver
from framecache.instances.entry import Entry
from framecache.orthanc.instance import Instance

from tests.unit.dicom_files import DEFLATED, native
from tests.unit.elsewhere import Elsewhere
from tests.unit.fakes import ORTHANC_ID, UUID, FakeApi, stored_files

CONTENT = native(bytes(range(72)))


def entry_of(api: FakeApi) -> Entry:
    """The entry of the one instance that is stored."""
    (stored,) = api.instances.values()
    return Entry(Instance.from_find(stored.answer), str(api.path_of(stored.answer)) if api.storage else None, 0.0)


def test_a_file_in_a_folder_is_read_there(tmp_path: Path) -> None:
    api, elsewhere = FakeApi(tmp_path), Elsewhere({UUID: b"never read"})
    api.store(CONTENT)

    with stored_files(api, remote=elsewhere).open(entry_of(api)) as reader:
        assert reader.read_at(0, 10_000) == CONTENT
    assert (api.calls, elsewhere.opened) == ([], 0)


def test_a_file_elsewhere_is_read_there_and_orthanc_is_not_asked() -> None:
    api, elsewhere = FakeApi(), Elsewhere({UUID: CONTENT})
    api.store(CONTENT)

    with stored_files(api, remote=elsewhere).open(entry_of(api)) as reader:
        assert reader.size == len(CONTENT)
        assert reader.read_at(100, 50) == CONTENT[100:150]
    assert api.calls == []


@pytest.mark.parametrize("requests", [0, 1])
def test_where_reading_there_fails_orthanc_is_asked_and_the_bytes_are_the_same(requests: int) -> None:
    api, elsewhere = FakeApi(), Elsewhere({UUID: CONTENT}, requests)
    api.store(CONTENT)

    with stored_files(api, remote=elsewhere).open(entry_of(api)) as reader:
        assert reader.read_at(0, 50) + reader.read_at(50, 10_000) == CONTENT
    assert api.calls[0] == f"GET /instances/{ORTHANC_ID}/file"


def test_a_file_that_is_not_there_comes_from_orthanc() -> None:
    api = FakeApi()
    api.store(CONTENT)

    with stored_files(api, remote=Elsewhere({})).open(entry_of(api)) as reader:
        assert reader.read_at(0, 10_000) == CONTENT


def test_a_deflated_file_is_inflated_from_there() -> None:
    content = native(bytes(range(72)), DEFLATED)
    api, elsewhere = FakeApi(), Elsewhere({UUID: content})
    api.store(content, syntax=DEFLATED)

    with stored_files(api, remote=elsewhere).open(entry_of(api)) as reader:
        assert bytes(range(72)) in reader.read_at(0, 10_000)
    assert api.calls == []


def test_what_is_too_large_for_memory_is_read_by_range_only() -> None:
    api, elsewhere = FakeApi(), Elsewhere({UUID: CONTENT}, 1)
    api.store(CONTENT, stored_size=1 << 30, file_size=1 << 30)

    with stored_files(api, remote=elsewhere).open(entry_of(api)) as reader:
        assert reader.read_at(100, 20) == CONTENT[100:120]
        with pytest.raises(HandOver, match="too large"):
            reader.read_at(500, 20)
