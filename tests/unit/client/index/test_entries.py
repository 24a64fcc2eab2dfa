"""A row says all that the index knows of an instance, and what is no row of an index is refused."""

from __future__ import annotations

from typing import Any

import pytest
from framecache.client.index.entries import COLUMNS, Entry, entry_of, renamed, row_of
from framecache.client.index.reading import read_record
from framecache.dicom import frame_index
from framecache.dicom.byte_reader import MemoryReader
from framecache.errors import BadRequest
from framecache.shared_buffers import SharedBuffers
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.client.instances import stored

CONTENT = stored(1, 1, 1)
RECORD = read_record(MemoryReader(CONTENT), "5-1", SharedBuffers(1))
ENTRY = Entry("a/b", len(CONTENT), "5-1", RECORD)
ROW = row_of(ENTRY)


def test_a_row_says_where_each_frame_is() -> None:
    [[first], [second], [third]] = ROW["frame_offsets"]
    assert CONTENT[first : first + 24] == bytes([17] * 23 + [1])
    assert (second - first, third - second) == (24, 24)
    assert ROW["frame_lengths"] == [[24], [24], [24]]


def test_a_row_makes_the_entry_that_it_is_of() -> None:
    assert row_of(entry_of(ROW)) == ROW
    assert entry_of(ROW).record.frame_index == RECORD.frame_index


def test_frames_of_the_same_bytes_in_another_file_are_found_under_its_version() -> None:
    other = renamed(ENTRY, "5-2")
    assert other.record.frame_index is not None
    table = frame_index.unpack(other.record.frame_index, "5-2", other.size)
    assert [[run.offset for run in table.extents(frame)] for frame in range(3)] == ROW["frame_offsets"]


@pytest.mark.parametrize("path", ["", ".", "/etc/passwd", "../a", "a/../../b", "a//b", "a/", "./a", "a\0b", "\udcff"])
def test_a_path_that_is_not_below_the_folder_is_refused(path: str) -> None:
    with pytest.raises(BadRequest):
        entry_of({**ROW, "path": path})


WRONG: dict[str, dict[str, Any]] = {
    "of another version": {"index_version": 0},
    "without a UID": {"SOPInstanceUID": None},
    "with an empty UID": {"StudyInstanceUID": ""},
    "without a transfer syntax": {"TransferSyntaxUID": None},
    "with a negative size": {"size": -1},
    "with a size that is too large": {"size": 1 << 63},
    "with pixels behind its end": {"pixel_data_offset": len(CONTENT) + 1},
    "with frames behind its end": {"frame_offsets": [[len(CONTENT)]] * 3},
    "with frames within its header": {"frame_offsets": [[0]] * 3},
    "with more offsets than lengths": {"frame_offsets": [[1]] * 4},
    "with offsets and no lengths": {"frame_lengths": None},
    "with frames of no bytes": {"frame_offsets": [[]] * 3, "frame_lengths": [[]] * 3},
    "with a negative length": {"frame_lengths": [[-1]] * 3},
    "with frames but no pixels": {"pixel_data_offset": None},
    "with a sequence that is no list": {"RequestAttributesSequence": "{}"},
    "with a sequence of no items": {"RequestAttributesSequence": '[{"00080050": 1}]'},
    "with a number for a text": {"PatientName": 1},
}


@pytest.mark.parametrize("changed", WRONG.values(), ids=WRONG.keys())
def test_a_row_that_no_index_has_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        entry_of({**ROW, **changed})


@pytest.mark.parametrize("column", COLUMNS)
def test_a_row_without_a_column_is_refused(column: str) -> None:
    with pytest.raises(BadRequest):
        entry_of({name: value for name, value in ROW.items() if name != column})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(COLUMNS), JSON)
def test_whatever_a_row_has_it_is_taken_or_refused(column: str, value: Any) -> None:
    try:
        entry = entry_of({**ROW, column: value})
    except BadRequest:
        return
    assert row_of(entry)[column] == value
