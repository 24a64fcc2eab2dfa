"""UIDs, Orthanc's IDs and frame lists, as a stranger may send them."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from framecache.dicom.identity import InstancePath, is_identifier, is_uid
from framecache.dicomweb.frame_list import parse_frame_list
from framecache.errors import BadRequest, NotFound
from framecache.orthanc.identifiers import is_orthanc_id, is_uuid
from hypothesis import given
from hypothesis import strategies as st

ORTHANC_ID = "66c8e41e-ac3a9029-0b85e42a-8195ee0a-92c2e62e"
UUID = "1c4e8b2a-0f37-4b5e-9d61-3a7f2c8e5b90"


@pytest.mark.parametrize("uid", ["1", "0.0", "1.2.840.10008", "2.25.00012", "9" * 64, "1." + "2" * 62])
def test_digits_and_dots_up_to_64_characters_are_a_uid(uid: str) -> None:
    assert is_uid(uid)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "1.",
        ".1",
        "1..2",
        "9" * 65,
        "1.2a",
        "1 ",
        " 1",
        "1\n",
        "1\0",
        "../1",
        "1/2",
        "%31",
        "*",
        "?",
        "1\\2",
        "١",
        "²",
    ],
)
def test_anything_else_is_no_uid(text: str) -> None:
    assert not is_uid(text)


@pytest.mark.parametrize(
    "text", ["9" * 65, "f" * 64, "1.2a", "0.01", "1..2", ".", "a b", "{3F2504E0}", "%31", "1,2", "x" * 256, "<&>'\""]
)
def test_what_archives_hold_in_the_place_of_a_uid_is_an_identifier(text: str) -> None:
    assert is_identifier(text)
    assert InstancePath(text, text, text).sop_instance_uid == text


@pytest.mark.parametrize(
    "text",
    ["", " ", "1 ", " 1", "1\n", "1\0", "a\tb", "../1", "1/2", "*", "1.2.*", "1.2.?", "1\\2", "١", "²", "é", "x" * 257],
)
def test_what_may_be_a_pattern_a_list_or_a_path_identifies_nothing(text: str) -> None:
    assert not is_identifier(text)
    for place in range(3):
        uids = ["1.2", "1.3", "1.4"]
        uids[place] = text
        with pytest.raises(NotFound):
            InstancePath(*uids)


@given(st.text() | st.text("1.*?\\/ \n", max_size=5))
def test_an_identifier_never_holds_what_a_search_a_path_or_a_header_minds(text: str) -> None:
    assert not is_uid(text) or set(text) <= set("0123456789.")
    if is_identifier(text):
        assert not set(text) & set("*?\\/\r\n\0")
        assert str(InstancePath(text, "1", "1")).split("/")[1].isascii()
        assert unquote(str(InstancePath(text, "1", "1")).split("/")[1]) == text


def test_an_instance_path_reads_as_its_place_below_the_root() -> None:
    assert str(InstancePath("1.2", "1.3", "1.4")) == "studies/1.2/series/1.3/instances/1.4"


@pytest.mark.parametrize(
    ("text", "orthanc_id", "uuid"),
    [
        (ORTHANC_ID, True, False),
        (UUID, False, True),
        (ORTHANC_ID.upper(), False, False),
        (UUID.upper(), False, False),
        (ORTHANC_ID + "\n", False, False),
        (UUID + "\n", False, False),
        (ORTHANC_ID[:-1], False, False),
        (UUID[:-1] + "/", False, False),
        ("../" + UUID[3:], False, False),
        ("", False, False),
    ],
)
def test_ids_of_orthanc_are_told_from_what_only_looks_like_them(text: str, *, orthanc_id: bool, uuid: bool) -> None:
    assert (is_orthanc_id(text), is_uuid(text)) == (orthanc_id, uuid)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1", (1,)),
        ("3,1,2", (3, 1, 2)),
        ("2,2", (2, 2)),
        ("1,01", (1, 1)),
        ("2147483647", (2147483647,)),
    ],
)
def test_frames_come_in_the_order_asked_for_duplicates_kept(text: str, numbers: tuple[int, ...]) -> None:
    assert parse_frame_list(text) == numbers


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "1,",
        ",1",
        "1,,2",
        "0",
        "1,0",
        "-1",
        "+1",
        "1.0",
        "1e3",
        "one",
        " 1",
        "1 ",
        "1_0",
        "١",
        "²",
        "2147483648",
    ],
)
def test_a_list_that_is_not_of_whole_numbers_from_1_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parse_frame_list(text)


@given(st.lists(st.integers(1, 2**31 - 1), min_size=1))
def test_every_list_of_numbers_is_read_back(numbers: list[int]) -> None:
    assert parse_frame_list(",".join(map(str, numbers))) == tuple(numbers)


@given(st.one_of(st.text(), st.text(alphabet="0123456789,-+ "), st.from_regex(r"\A[0-9]{1,9999}\Z")))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    try:
        numbers = parse_frame_list(text)
    except BadRequest:
        return
    assert all(1 <= number < 2**31 for number in numbers)
