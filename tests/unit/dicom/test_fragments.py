"""Fragments as writers got them wrong: more than there are frames, empty ones, RLE in several."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Sequence
from typing import Any

import pytest
from framecache.dicom.byte_reader import MemoryReader
from framecache.dicom.frame_table import FrameTable
from framecache.dicom.pixel_data import locate_frames
from framecache.errors import BrokenPixelData, NoPixelData
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.dicom_files import JPEG_2000, JPEG_LS, offset_table
from tests.unit.dicom_files import encapsulated as written

RLE, JPEG, JPEG_XL, RETIRED = (
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.110",
    "1.2.840.10008.1.2.4.55",
)
STARTS = {
    JPEG_2000: b"\xff\x4f\xff\x51",
    JPEG_LS: b"\xff\xd8",
    JPEG: b"\xff\xd8",
    RETIRED: b"\xff\xd8",
    RLE: struct.pack("<LL", 3, 64),
    JPEG_XL: b"\0\0\0\x0cJXL ",
}
SYNTAXES = pytest.mark.parametrize("syntax", STARTS)


def frames(syntax: str, number: int) -> list[bytes]:
    return [STARTS[syntax] + bytes([i]) * (20 + 2 * i) for i in range(number)]


def halves(frame: bytes) -> list[bytes]:
    return [frame[:12], frame[12:]]


def packed(fragments_of_frames: Sequence[Sequence[bytes]]) -> bytes:
    offsets = offset_table(fragments_of_frames)
    return struct.pack(f"<{len(offsets)}L", *offsets)


def encapsulated(items: Sequence[bytes], syntax: str, **tags: Any) -> bytes:
    """pydicom writes no JPEG XL: a UID of the same length stands in for it."""
    known = "1.2.840.10008.1.2.4.201" if syntax == JPEG_XL else syntax
    return written(items, known, **tags).replace(known.encode(), syntax.encode(), 1)


def located(content: bytes, syntax: str) -> tuple[FrameTable, MemoryReader]:
    reader = MemoryReader(content)
    return locate_frames(reader, syntax, None), reader


def frames_of(content: bytes, syntax: str) -> list[bytes]:
    table, reader = located(content, syntax)
    assert table.frames_present == table.number_of_frames
    found = []
    for index in range(table.number_of_frames):
        place = table.place(index, reader)
        frame = bytearray(place.length)
        place.read_into(reader, memoryview(frame))
        found.append(bytes(frame))
    return found


@SYNTAXES
@pytest.mark.parametrize("held", [4, 5, 7])
@pytest.mark.parametrize("said", [1, 2, 3])
@pytest.mark.parametrize("table", ["basic", "extended", "none", "wrong"])
def test_of_more_frames_than_said_the_first_are_had(syntax: str, held: int, said: int, table: str) -> None:
    stored = frames(syntax, held)
    offsets = offset_table([[frame] for frame in stored])
    basic = {
        "basic": packed([[frame] for frame in stored]),
        "wrong": struct.pack(f"<{held}L", 0, *(o + 2 for o in offsets[1:])),
    }.get(table, b"")
    tags = {"ExtendedOffsetTable": struct.pack(f"<{held}Q", *offsets)} if table == "extended" else {}

    content = encapsulated([basic, *stored], syntax, NumberOfFrames=said, **tags)

    assert frames_of(content, syntax) == stored[:said]


@SYNTAXES
@pytest.mark.parametrize("said", [1, 2, 3])
def test_of_more_frames_in_several_fragments_the_first_are_had_by_their_table(syntax: str, said: int) -> None:
    stored = frames(syntax, 4)
    split = [halves(frame) for frame in stored]
    items = [fragment for frame in split for fragment in frame]

    assert frames_of(encapsulated([packed(split), *items], syntax, NumberOfFrames=said), syntax) == stored[:said]


@SYNTAXES
@pytest.mark.parametrize("cut", [4, 12, 30])
def test_of_more_frames_than_said_in_a_file_cut_short_the_first_are_had(syntax: str, cut: int) -> None:
    stored = frames(syntax, 4)
    content = encapsulated([packed([[frame] for frame in stored]), *stored], syntax, NumberOfFrames=2)

    assert frames_of(content[:-cut], syntax) == stored[:2]


@SYNTAXES
def test_one_frame_is_all_of_its_fragments_though_the_table_lists_each(syntax: str) -> None:
    (frame,) = frames(syntax, 1)
    items = [frame[:10], frame[10:16], frame[16:]]

    assert frames_of(encapsulated([packed([[item] for item in items]), *items], syntax, NumberOfFrames=1), syntax) == [
        frame
    ]


@SYNTAXES
@pytest.mark.parametrize("said", [1, 2])
def test_of_more_frames_in_several_fragments_the_first_are_had_by_how_they_begin(syntax: str, said: int) -> None:
    stored = frames(syntax, 4)
    items = [*halves(stored[0]), stored[1], *halves(stored[2]), stored[3]]

    assert frames_of(encapsulated([b"", *items], syntax, NumberOfFrames=said), syntax) == stored[:said]


@SYNTAXES
def test_more_frames_than_said_are_never_told_apart_against_a_table_of_as_many(syntax: str) -> None:
    stored = frames(syntax, 3)
    wrong = struct.pack("<2L", 0, 7)

    with pytest.raises(BrokenPixelData, match="cannot be told apart"):
        located(encapsulated([wrong, *stored], syntax, NumberOfFrames=2), syntax)


@SYNTAXES
@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("has_table", [False, True])
def test_empty_fragments_between_frames_do_no_harm(syntax: str, place: int, *, has_table: bool) -> None:
    """At an end, too, and with or without a table that does not count them as frames."""
    stored = frames(syntax, 3)
    split = [[frame] for frame in stored]
    split[max(0, place - 1)].insert(int(place > 0), b"")
    items = [fragment for frame in split for fragment in frame]
    table = packed(split) if has_table else b""

    assert frames_of(encapsulated([table, *items], syntax, NumberOfFrames=3), syntax) == stored


@SYNTAXES
@pytest.mark.parametrize("empty", range(4))
@pytest.mark.parametrize("has_table", [False, True])
def test_a_frame_of_an_empty_fragment_is_missing_and_the_others_are_not(
    syntax: str, empty: int, *, has_table: bool
) -> None:
    stored = frames(syntax, 4)
    items = [b"" if i == empty else frame for i, frame in enumerate(stored)]
    table = packed([[item] for item in items]) if has_table else b""
    found, reader = located(encapsulated([table, *items], syntax, NumberOfFrames=4), syntax)

    for index, item in enumerate(items):
        if not item:
            with pytest.raises(BrokenPixelData, match=f"frame {empty + 1} is empty"):
                found.place(index, reader)
        else:
            assert found.place(index, reader).length == len(item)


def test_nothing_but_empty_fragments_are_no_frames() -> None:
    with pytest.raises(BrokenPixelData):
        located(encapsulated([b"", b"", b"", b""], RLE, NumberOfFrames=2), RLE)


@SYNTAXES
@pytest.mark.parametrize("has_table", [False, True])
def test_frames_in_two_or_three_fragments_are_joined(syntax: str, *, has_table: bool) -> None:
    stored = frames(syntax, 3)
    split = [halves(stored[0]), [stored[1]], [stored[2][:8], stored[2][8:14], stored[2][14:]]]
    items = [fragment for frame in split for fragment in frame]

    content = encapsulated([packed(split) if has_table else b"", *items], syntax, NumberOfFrames=3)
    assert frames_of(content, syntax) == stored


@st.composite
def tables(draw: st.DrawFn, split: Sequence[Sequence[bytes]]) -> bytes:
    """Offset tables that are right, or wrong: of fragments, of another base, too long, too short, overflown."""
    items = offset_table([[fragment] for frame in split for fragment in frame])
    right = offset_table(split)
    shifted, based_elsewhere = [0, *(offset + 8 for offset in right[1:])], [offset + 200 for offset in right]
    entries = draw(
        st.sampled_from([right, items, shifted, based_elsewhere, right[::-1], right[:-1]])
        | st.lists(st.sampled_from(items), max_size=12)
        | st.lists(st.sampled_from(items), max_size=12).map(lambda offsets: sorted({0, *offsets}))
        | st.lists(st.integers(0, 0xFFFFFFFF), max_size=12)
    )
    return struct.pack(f"<{len(entries)}L", *entries) + draw(st.sampled_from([b"", b"\0\0"]))


@settings(max_examples=400)
@given(st.data())
def test_whatever_the_table_says_a_frame_is_right_or_missing(data: st.DataObject) -> None:
    """Of frames that begin as such, whether as many as said are there, or the file is cut short, or not."""
    syntax = data.draw(st.sampled_from(list(STARTS)))
    stored = frames(syntax, data.draw(st.integers(1, 5)))
    split = [halves(frame) if data.draw(st.booleans()) else [frame] for frame in stored]
    items = [fragment for frame in split for fragment in frame]
    said = data.draw(st.integers(1, 6).filter(lambda number: number in (len(stored), 1) or number < len(stored)))
    is_extended = data.draw(st.booleans())
    table = data.draw(tables(split))
    tags = {"ExtendedOffsetTable": table} if is_extended else {}
    content = encapsulated([b"" if is_extended else table, *items], syntax, NumberOfFrames=said, **tags)
    reader = MemoryReader(content[: len(content) - data.draw(st.just(0) | st.integers(0, 60))])

    with contextlib.suppress(BrokenPixelData, NoPixelData):
        found = locate_frames(reader, syntax, None)
        for index in range(said):
            with contextlib.suppress(BrokenPixelData):
                place = found.place(index, reader)
                frame = bytearray(place.length)
                place.read_into(reader, memoryview(frame))
                assert frame == stored[index]
