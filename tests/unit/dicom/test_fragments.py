"""Fragments as writers got them wrong: more than there are frames, empty ones, RLE in several."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import pytest
from framecache.dicom.byte_reader import MemoryReader
from framecache.dicom.frame_table import FrameTable
from framecache.dicom.pixel_data import locate_frames
from framecache.errors import BrokenPixelData

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
    JPEG_XL: b"\xff\x0a",
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
def test_more_frames_than_said_are_never_told_apart_by_guess(syntax: str) -> None:
    """Of two frames said, three found, one of them in two fragments: no table says that the third is none."""
    stored = frames(syntax, 3)
    items = [*halves(stored[0]), stored[1], stored[2], b"more"]

    with pytest.raises(BrokenPixelData, match="cannot be told apart"):
        located(encapsulated([b"", *items], syntax, NumberOfFrames=2), syntax)


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
