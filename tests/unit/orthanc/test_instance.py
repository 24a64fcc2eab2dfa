"""An instance from Orthanc's answer, to the store and back."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from framecache.errors import FrameCacheError, SourceError
from framecache.orthanc.instance import Instance, number_of_frames, stored_path
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fakes import find_answer

ANSWER = find_answer()


def test_an_answer_of_orthanc_becomes_an_instance() -> None:
    instance = Instance.from_find(find_answer(number_of_frames=3, stored_size=900, file_size=1000, offset=400))

    assert str(instance.path) == "studies/1.2.3/series/1.2.3.4/instances/1.2.3.4.5"
    assert (instance.stored_size, instance.file_size, instance.pixel_data_offset) == (900, 1000, 400)
    assert (instance.number_of_frames, instance.frame_size) == (3, 200)


def test_a_record_is_read_back() -> None:
    instance = Instance.from_find(ANSWER)

    assert Instance.from_json(instance.to_json()) == instance


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b'{"path": {}}',
        b'{"path": null}',
        json.dumps({**json.loads(Instance.from_find(ANSWER).to_json()), "more": 1}).encode(),
        Instance.from_find(ANSWER).to_json().replace(b'"1.2.3.4"', b'"1.2.3.*"'),
        Instance.from_find(ANSWER).to_json()[:-10],
    ],
)
def test_a_damaged_record_is_an_error_of_the_source(content: bytes) -> None:
    with pytest.raises(SourceError):
        Instance.from_json(content)


def without(*keys: str) -> dict[str, Any]:
    answer = copy.deepcopy(ANSWER)
    inner = answer
    for key in keys[:-1]:
        inner = inner[key]
    del inner[keys[-1]]
    return answer


def with_value(value: Any, *keys: Any) -> dict[str, Any]:
    answer = copy.deepcopy(ANSWER)
    inner: Any = answer
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return answer


@pytest.mark.parametrize(
    "answer",
    [
        without("ID"),
        without("Attachments"),
        without("Metadata"),
        without("MainDicomTags"),
        without("RequestedTags"),
        without("RequestedTags", "StudyInstanceUID"),
        without("MainDicomTags", "SOPInstanceUID"),
        with_value([], "Attachments"),
        with_value(2, "Attachments", 0, "ContentType"),
        with_value("../../etc/passwd", "Attachments", 0, "Uuid"),
        with_value("many", "Attachments", 0, "CompressedSize"),
        with_value("far", "Metadata", "PixelDataOffset"),
        with_value("nobody", "ID"),
        with_value("no/uid", "RequestedTags", "StudyInstanceUID"),
        with_value(None, "RequestedTags", "SeriesInstanceUID"),
    ],
)
def test_an_answer_that_lacks_something_is_an_error_of_the_source(answer: dict[str, Any]) -> None:
    with pytest.raises(SourceError):
        Instance.from_find(answer)


def test_what_orthanc_did_not_note_is_unknown() -> None:
    instance = Instance.from_find(with_value({}, "Metadata"))

    assert (instance.transfer_syntax_uid, instance.pixel_data_offset, instance.sop_class_uid) == ("", None, "")


@pytest.mark.parametrize(
    ("value", "number"),
    [("69", 69), (" 69 ", 69), (None, 1), ("", 1), ("0", 1), ("-3", 1), ("3\\4", 1), ("three", 1), ("²", 1), (12, 12)],
)
def test_number_of_frames_is_one_where_it_is_not_a_number(value: object, number: int) -> None:
    assert number_of_frames({"NumberOfFrames": value}) == number


def test_an_absent_number_of_frames_is_one() -> None:
    assert number_of_frames({}) == 1


def test_a_stored_file_lies_where_orthanc_puts_it() -> None:
    assert stored_path(Path("/db"), "1c4e8b2a-0f37") == "/db/1c/4e/1c4e8b2a-0f37"


@given(st.binary())
def test_no_record_is_worse_than_an_error_of_ours(content: bytes) -> None:
    with pytest.raises(FrameCacheError):
        Instance.from_json(content)
