"""Finding a few elements in the bytes of a data set."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from framecache.dicom.element_walker import ElementWalker
from framecache.errors import UnreadableHeader
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.filebase import DicomFileLike
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

TAGS = (0x00080018, 0x0020000D, 0x00280010)
ENCODINGS = {"explicit": (True, "<"), "big": (True, ">"), "implicit": (False, "<")}


def encoded(encoding: str) -> bytes:
    """With a sequence of undefined length, and an element of four bytes of length, before some of TAGS."""
    explicit, order = ENCODINGS[encoding]
    item, data_set = Dataset(), Dataset()
    item.StudyInstanceUID = "1.2.9"
    data_set.SOPInstanceUID, data_set.StudyInstanceUID = "1.2.3", "1.2.34"
    data_set.ReferencedStudySequence = Sequence([item])
    data_set["ReferencedStudySequence"].is_undefined_length = True
    data_set.add_new(0x00090010, "LO", "SOMEBODY")
    data_set.add_new(0x00091001, "OB", b"0123")
    data_set.Rows = 2
    content = io.BytesIO()
    file = DicomFileLike(content)
    file.is_implicit_VR, file.is_little_endian = not explicit, order == "<"
    write_dataset(file, data_set)
    return content.getvalue()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_values_at_the_top_level_are_found_and_those_in_items_are_not(encoding: str) -> None:
    explicit, order = ENCODINGS[encoding]

    found = ElementWalker(encoded(encoding), explicit=explicit, order=order).values(0, TAGS)

    assert found == {
        0x00080018: b"1.2.3\0",
        0x0020000D: b"1.2.34",
        0x00280010: (2).to_bytes(2, "big" if order == ">" else "little"),
    }


def test_nothing_behind_the_last_wanted_element_is_looked_at() -> None:
    content = encoded("explicit") + b"broken"

    assert set(ElementWalker(content, explicit=True, order="<").values(0, TAGS[:2])) == set(TAGS[:2])


@given(st.binary(max_size=200), st.sampled_from(list(ENCODINGS.values())))
def test_of_any_bytes_the_same_elements_are_found_as_by_a_walk(content: bytes, encoding: tuple[bool, str]) -> None:
    explicit, order = encoding
    walker = ElementWalker(content, explicit=explicit, order=order)

    assert result(lambda: walker.values(0, TAGS)) == result(lambda: walked(walker, content))


def walked(walker: ElementWalker, content: bytes) -> dict[int, bytes]:
    found = {}
    for element in walker.top_level(0):
        if element.tag > TAGS[-1]:
            break
        found[element.tag] = content[element.offset : walker.end(element)]
    return {tag: value for tag, value in found.items() if tag in TAGS}


def result(find: Callable[[], dict[int, bytes]]) -> dict[int, bytes] | None:
    """None where the bytes end too early, or are no data set."""
    try:
        return find()
    except UnreadableHeader:
        return None
