"""The header scan, against data sets that pydicom wrote, and against damage."""

from __future__ import annotations

import contextlib
import struct
import time
from io import BytesIO
from typing import Any

import pytest
from framecache.dicom.byte_reader import MemoryReader
from framecache.dicom.data_set import (
    PIXEL_DATA,
    Header,
    read_header,
    read_transfer_syntax_uid,
)
from framecache.dicom.element_walker import UNDEFINED_LENGTH, Element
from framecache.errors import BrokenPixelData, FrameCacheError, NestedTooDeeply, UnreadableHeader
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.sequence import Sequence

from tests.unit.dicom_files import (
    BIG_ENDIAN,
    END_OF_SEQUENCE,
    EXPLICIT,
    IMPLICIT,
    JPEG_2000,
    encapsulated,
    encoded,
    header_before_items,
    image,
    native,
)

PIXELS = bytes(range(72))
ROWS, NUMBER_OF_FRAMES = 0x00280010, 0x00280008
SYNTAXES = pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN])


def item(depth: int, *, undefined: bool) -> Dataset:
    """An item with sequences in it, `depth` deep."""
    made = Dataset()
    made.CodeValue = "T-04000"
    made.is_undefined_length_sequence_item = undefined
    if depth:
        made.ConceptCodeSequence = Sequence([item(depth - 1, undefined=undefined) for _ in range(2)])
        made["ConceptCodeSequence"].is_undefined_length = undefined
    return made


def with_everything(*, undefined: bool) -> Dataset:
    """An image with tags in front of the pixel data that a scan may stumble over."""
    dataset = image()
    dataset.SharedFunctionalGroupsSequence = Sequence([item(3, undefined=undefined)])
    dataset["SharedFunctionalGroupsSequence"].is_undefined_length = undefined
    dataset.ReferencedImageSequence = Sequence([])
    dataset["ReferencedImageSequence"].is_undefined_length = undefined
    dataset.TextValue = "x" * 70_000
    dataset.add_new(0x00091010, "OB", b"\xfe\xff\x00\xe0" * 8)  # looks like an item
    dataset.add_new(0x00091011, "UN", b"\xe0\x7f\x10\x00OW\0\0\4\0\0\0")  # looks like pixel data
    dataset.add_new(0x00090010, "LO", "FRAMECACHE TEST")
    dataset.add_new(0x60003000, "OW", b"\0" * 8)
    dataset.PixelData = PIXELS
    dataset["PixelData"].VR = "OB"
    return dataset


def scanned(content: bytes, syntax: str = EXPLICIT, offset: int | None = None) -> Header:
    return read_header(MemoryReader(content), syntax, offset)


@SYNTAXES
@pytest.mark.parametrize("undefined", [False, True], ids=["lengths", "delimiters"])
def test_every_element_is_found_where_pydicom_finds_it(syntax: str, *, undefined: bool) -> None:
    content = encoded(with_everything(undefined=undefined), syntax)
    read = dcmread(BytesIO(content))
    keys = list(read.keys())
    raw: list[Any] = [one for tag in keys if isinstance(one := read.get_item(tag), RawDataElement)]

    header = scanned(content, syntax)

    found = {one.tag: (one.offset, one.length) for one in header.elements.values()}
    for theirs in raw:
        if theirs.VR != "SQ" and theirs.tag < PIXEL_DATA:
            assert found[int(theirs.tag)] == (theirs.value_tell, theirs.length), theirs
    assert set(found) == {int(tag) for tag in keys if tag < PIXEL_DATA}
    assert len(raw) > 10
    position = header.pixel_data.offset
    assert content[position : position + len(PIXELS)] == PIXELS
    assert header.pixel_data.length == len(PIXELS)
    assert header.unsigned_short(ROWS) == 4
    assert header.integer_string(NUMBER_OF_FRAMES, 1) == 3
    assert scanned(content, syntax, header.length).length == header.length


@SYNTAXES
def test_the_header_ends_where_the_pixel_data_element_begins(syntax: str) -> None:
    content = native(PIXELS, syntax)

    order = ">" if syntax == BIG_ENDIAN else "<"
    assert content[scanned(content, syntax).length :][:4] == struct.pack(order + "HH", 0x7FE0, 0x0010)


@pytest.mark.parametrize("keyword", ["FloatPixelData", "DoubleFloatPixelData"])
def test_the_header_of_floats_holds_the_head_of_their_element_too(keyword: str) -> None:
    dataset = image(BitsAllocated=64)
    setattr(dataset, keyword, bytes(3 * 24 * 8))
    content = encoded(dataset)

    assert scanned(content).length == scanned(content).pixel_data.offset


@pytest.mark.parametrize("size", [100, (1 << 18) - 400, 1 << 18, 3 << 18, 5 << 20])
@pytest.mark.parametrize("hint", ["none", "right", "too small", "too large"])
def test_headers_of_any_size_are_read(size: int, hint: str) -> None:
    dataset = image(TextValue="x" * size)
    dataset.PixelData = PIXELS
    dataset["PixelData"].VR = "OB"
    content = encoded(dataset)
    right = len(content) - len(PIXELS) - 12
    offset = {"none": None, "right": right, "too small": 150, "too large": 10 * len(content)}[hint]

    assert scanned(content, EXPLICIT, offset).pixel_data.offset == right + 12


def test_only_the_header_is_read_of_a_large_file() -> None:
    class Counting(MemoryReader):
        read = 0

        def read_at(self, offset: int, length: int) -> bytes:
            got = super().read_at(offset, length)
            self.read += len(got)
            return got

    content = native(bytes(4 << 20), Rows=1024, Columns=1024, NumberOfFrames=4)
    reader = Counting(content)

    read_header(reader, EXPLICIT, len(content) - (4 << 20) - 12)

    assert reader.read < 10_000


def element(tag: int, vr: bytes, value: bytes, *, undefined: bool = False) -> bytes:
    """An explicit element with a length of four bytes."""
    length = UNDEFINED_LENGTH if undefined else len(value)
    return struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, vr, 0, length) + value


def item_of(value: bytes, *, undefined: bool) -> bytes:
    length = UNDEFINED_LENGTH if undefined else len(value)
    end = struct.pack("<HHL", 0xFFFE, 0xE00D, 0) if undefined else b""
    return struct.pack("<HHL", 0xFFFE, 0xE000, length) + value + end


IMPLICIT_ELEMENT = struct.pack("<HHL", 0x0008, 0x0100, 8) + b"CODE-123"
IMPLICIT_SEQUENCE = struct.pack("<HHL", 0x0040, 0xA043, UNDEFINED_LENGTH)
EXPLICIT_SHORT = struct.pack("<HH2sH", 0x0008, 0x0060, b"CS", 2) + b"MG"


def sequence_of(tag: int, vr: bytes, value: bytes) -> bytes:
    """A sequence and its only item, both closed by delimiters."""
    return element(tag, vr, item_of(value, undefined=True) + END_OF_SEQUENCE, undefined=True)


ICON = item_of(b"", undefined=False) + item_of(b"icon", undefined=False) + END_OF_SEQUENCE
SEQUENCES = {
    "UN": sequence_of(0x00091010, b"UN", IMPLICIT_ELEMENT),
    "a sequence in UN": sequence_of(
        0x00091010, b"UN", IMPLICIT_SEQUENCE + item_of(IMPLICIT_ELEMENT, undefined=True) + END_OF_SEQUENCE
    ),
    "UN in a sequence": sequence_of(
        0x00400555,
        b"SQ",
        EXPLICIT_SHORT + sequence_of(0x00091011, b"UN", IMPLICIT_ELEMENT) + element(0x00091012, b"UT", b"behind"),
    ),
    "UN with an item of known length": element(
        0x00091010, b"UN", item_of(IMPLICIT_ELEMENT, undefined=False) + END_OF_SEQUENCE, undefined=True
    ),
    "a compressed icon": sequence_of(
        0x00880200, b"SQ", EXPLICIT_SHORT + element(0x7FE00010, b"OB", ICON, undefined=True)
    ),
    "a native icon": element(0x00880200, b"SQ", item_of(element(0x7FE00010, b"OB", b"icon"), undefined=False)),
}


@pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES)
def test_sequences_of_undefined_length_are_stepped_over(sequence: bytes) -> None:
    """PS3.5 section 6.2.2, note 5: UN of undefined length holds Implicit VR Little Endian, at any depth."""
    plain = native(PIXELS)
    start = len(plain) - len(PIXELS) - 12

    header = scanned(plain[:start] + sequence + plain[start:])

    assert header.length == start + len(sequence)


@pytest.mark.parametrize(("depth", "is_read"), [(1, True), (30, True), (100, False), (100_000, False)])
def test_nesting_has_an_end(depth: int, *, is_read: bool) -> None:
    plain = native(PIXELS)
    start = len(plain) - len(PIXELS) - 12
    opening = struct.pack("<HH2sHL", 0x0040, 0xA730, b"SQ", 0, UNDEFINED_LENGTH) + struct.pack(
        "<HHL", 0xFFFE, 0xE000, UNDEFINED_LENGTH
    )
    closing = struct.pack("<HHL", 0xFFFE, 0xE00D, 0) + END_OF_SEQUENCE
    content = plain[:start] + opening * depth + closing * depth + plain[start:]

    if is_read:
        assert scanned(content).length == start + depth * len(opening + closing)
    else:
        with pytest.raises(NestedTooDeeply, match="nested"):
            scanned(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "File Format"),
        (b"DICM", "File Format"),
        (b"\0" * 132, "File Format"),
        (b"\0" * 128 + b"DICM", "no pixel data"),
        (encoded(image()), "no pixel data"),
        (native(PIXELS)[:-90], "no pixel data"),
        (header_before_items()[:-12] + END_OF_SEQUENCE * 3, "no pixel data"),
    ],
)
def test_a_file_without_pixel_data_is_broken(content: bytes, message: str) -> None:
    with pytest.raises(UnreadableHeader, match=message):
        scanned(content)


def test_a_sequence_closed_in_the_wrong_place_is_broken() -> None:
    plain = native(PIXELS)
    start = len(plain) - len(PIXELS) - 12
    wrong = struct.pack("<HH2sHL", 0x0040, 0xA730, b"SQ", 0, UNDEFINED_LENGTH) + struct.pack("<HHL", 0xFFFE, 0xE00D, 0)

    with pytest.raises(UnreadableHeader, match="not closed"):
        scanned(plain[:start] + wrong + plain[start:])


@pytest.mark.parametrize(
    ("value", "number"),
    [(b"3 ", 3), (b" 3", 3), (b"3\0", 3), (b"+3", 3), (b"", 1), (b"  ", 1), (b"\0\0", 1)],
)
def test_a_number_is_read_as_writers_pad_it(value: bytes, number: int) -> None:
    assert header_with(NUMBER_OF_FRAMES, value).integer_string(NUMBER_OF_FRAMES, 1) == number


@pytest.mark.parametrize("value", [b"three ", b"3\\4", b"3.0", b"1_0", b"\xd9\xa3", b"9" * 10_000])
def test_what_is_not_a_number_is_broken(value: bytes) -> None:
    """PS3.5 section 6.2, IS: a sign and digits."""
    with pytest.raises(BrokenPixelData, match=r"\(0028,0008\) is not a number"):
        header_with(NUMBER_OF_FRAMES, value).integer_string(NUMBER_OF_FRAMES, 1)


def test_a_missing_short_is_its_default_or_an_error() -> None:
    header = header_with(NUMBER_OF_FRAMES, b"3 ")

    assert header.unsigned_short(ROWS, 7) == 7
    with pytest.raises(UnreadableHeader, match=r"\(0028,0010\) is missing"):
        header.unsigned_short(ROWS)


def header_with(tag: int, value: bytes) -> Header:
    pixel_data = Element(PIXEL_DATA, b"OB", len(value) + 12, 0, len(value))
    return Header({tag: Element(tag, b"IS", 0, len(value), 0)}, pixel_data, value, big_endian=False)


def test_the_transfer_syntax_is_read_from_the_file() -> None:
    assert read_transfer_syntax_uid(MemoryReader(encapsulated([b"", b"x"], JPEG_2000))) == JPEG_2000


@settings(max_examples=60)
@given(st.integers(0, 400))
def test_a_file_meta_cut_short_is_broken_and_nothing_else(cut: int) -> None:
    with contextlib.suppress(FrameCacheError):
        assert EXPLICIT.startswith(read_transfer_syntax_uid(MemoryReader(native(PIXELS)[:cut])))


WHOLE = {syntax: native(PIXELS, syntax) for syntax in (EXPLICIT, IMPLICIT, BIG_ENDIAN)}
WHOLE[JPEG_2000] = encapsulated([b"", b"a" * 10, b"b" * 10, b"c" * 10])


def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """`content` with some bytes changed, put in, or taken away."""
    made = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        position = draw(st.integers(132, max(132, len(made) - 1)))
        kind = draw(st.sampled_from(["change", "insert", "delete", "cut", "length"]))
        if kind == "change":
            made[position : position + 1] = draw(st.binary(min_size=1, max_size=1))
        elif kind == "insert":
            made[position:position] = draw(st.binary(min_size=1, max_size=20))
        elif kind == "delete":
            del made[position : position + draw(st.integers(1, 20))]
        elif kind == "length":
            made[position : position + 4] = draw(st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\xfe\xff\x00\xe0"]))
        else:
            del made[position:]
    return bytes(made)


@st.composite
def damaged_files(draw: st.DrawFn) -> tuple[str, bytes]:
    syntax = draw(st.sampled_from(sorted(WHOLE)))
    return syntax, damaged(draw, WHOLE[syntax])


@settings(max_examples=400)
@given(damaged_files(), st.none() | st.integers(0, 2000))
def test_damage_is_a_header_or_one_of_our_errors(file: tuple[str, bytes], offset: int | None) -> None:
    syntax, content = file
    started = time.thread_time()
    with contextlib.suppress(FrameCacheError):
        header = read_header(MemoryReader(content), syntax, offset)
        assert 0 < header.length <= header.pixel_data.offset <= len(content)
    assert time.thread_time() - started < 1


@given(st.binary(max_size=300))
def test_noise_behind_the_preamble_is_one_of_our_errors(noise: bytes) -> None:
    for syntax in (EXPLICIT, IMPLICIT, BIG_ENDIAN):
        with contextlib.suppress(FrameCacheError):
            scanned(b"\0" * 128 + b"DICM" + noise, syntax)
