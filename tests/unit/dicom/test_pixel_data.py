"""Where frames lie: compared with pydicom and with slices of the pixels, and kept inside the pixel data by damage."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Sequence
from typing import Any

import pytest
from framecache.dicom.byte_reader import MemoryReader
from framecache.dicom.pixel_data import EncapsulatedFrames, FrameTable, NativeFrames, locate_frames
from framecache.errors import BrokenPixelData, FrameCacheError, HandOver
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import generate_frames

from tests.unit.dicom_files import (
    BIG_ENDIAN,
    END_OF_SEQUENCE,
    EXPLICIT,
    IMPLICIT,
    JPEG_2000,
    JPEG_LS,
    as_items,
    encapsulated,
    encoded,
    header_before_items,
    image,
    native,
    offset_table,
)

SOI, SOC = b"\xff\xd8\xff\xe0", b"\xff\x4f\xff\x51"


def located(content: bytes, syntax: str) -> FrameTable:
    return locate_frames(MemoryReader(content), syntax, None)


def frames_of(content: bytes, syntax: str) -> list[bytes]:
    """The bytes of all frames, by the table."""
    table = located(content, syntax)
    return [
        b"".join(content[extent.offset : extent.offset + extent.length] for extent in table.extents(index))
        for index in range(table.number_of_frames)
    ]


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN])
@pytest.mark.parametrize(
    ("tags", "frame_length"),
    [
        pytest.param({}, 24, id="8 bits"),
        pytest.param({"Rows": 3, "Columns": 5}, 15, id="an odd length in all, so a pad byte"),
        pytest.param({"Rows": 1, "Columns": 1, "NumberOfFrames": 5}, 1, id="frames of one byte and a pad byte"),
        pytest.param({"BitsAllocated": 16}, 48, id="16 bits"),
        pytest.param({"BitsAllocated": 32}, 96, id="32 bits"),
        pytest.param({"BitsAllocated": 1, "Rows": 8, "Columns": 2}, 2, id="single bits that fill bytes"),
        pytest.param({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, 72, id="RGB"),
        pytest.param({"SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_FULL"}, 72, id="YBR_FULL"),
        pytest.param({"SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_FULL_422"}, 48, id="YBR_FULL_422"),
        pytest.param({"SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_PARTIAL_422"}, 48, id="YBR_PARTIAL_422"),
        pytest.param({"SamplesPerPixel": 1, "PhotometricInterpretation": "PALETTE COLOR"}, 24, id="PALETTE COLOR"),
    ],
)
def test_native_frames_are_slices_of_the_pixels(tags: dict[str, Any], frame_length: int, syntax: str) -> None:
    number = tags.get("NumberOfFrames", 3)
    pixels = bytes(i % 251 for i in range(number * frame_length))
    content = native(pixels, syntax, **tags)

    frames = frames_of(content, syntax)

    if syntax == BIG_ENDIAN and tags.get("BitsAllocated", 8) > 8:
        start = content.index(struct.pack(">HH", 0x7FE0, 0x0010)) + 12
        pixels = content[start : start + len(pixels)]  # written in the other order
    assert frames == [pixels[i * frame_length : (i + 1) * frame_length] for i in range(number)]


@pytest.mark.parametrize("keyword", ["FloatPixelData", "DoubleFloatPixelData"])
def test_float_pixels_are_native_frames(keyword: str) -> None:
    bits = 32 if keyword == "FloatPixelData" else 64
    pixels = bytes(range(2 * 2 * 2 * bits // 8))

    dataset = image(Rows=2, Columns=2, NumberOfFrames=2, BitsAllocated=bits)
    setattr(dataset, keyword, pixels)

    assert b"".join(frames_of(encoded(dataset), EXPLICIT)) == pixels


def test_an_absent_number_of_frames_means_one() -> None:
    assert frames_of(native(bytes(24), NumberOfFrames=None), EXPLICIT) == [bytes(24)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(native(bytes(70)), "shorter than its frames", id="a short value"),
        pytest.param(native(bytes(72))[:-1], "shorter than its frames", id="a short file"),
        pytest.param(native(bytes(72), NumberOfFrames=4), "shorter than its frames", id="too many frames"),
        pytest.param(native(bytes(72), NumberOfFrames=2**31 - 1), "shorter", id="far too many frames"),
        pytest.param(native(bytes(72), Rows=65535, Columns=65535), "shorter than its frames", id="large rows"),
        pytest.param(native(b"", Rows=0), "shorter than its frames", id="no rows"),
        pytest.param(native(bytes(72), Rows=None), "is missing", id="empty rows"),
        pytest.param(native(bytes(72), NumberOfFrames=0), "not positive", id="no frames"),
        pytest.param(native(bytes(72), NumberOfFrames=-3), "not positive", id="negative frames"),
    ],
)
def test_native_pixels_that_contradict_their_header_are_broken(content: bytes, message: str) -> None:
    with pytest.raises(BrokenPixelData, match=message):
        located(content, EXPLICIT)


def test_single_bits_that_do_not_fill_bytes_are_left_to_others() -> None:
    with pytest.raises(HandOver, match="single bits"):
        located(native(bytes(10), BitsAllocated=1, Rows=3, Columns=3), EXPLICIT)


FRAMES = [SOC + bytes([i]) * (10 + 2 * i) for i in range(4)]


def split(frame: bytes, fragments: int) -> list[bytes]:
    size = -(-len(frame) // fragments)
    return [frame[i * size : (i + 1) * size] for i in range(fragments)]


def packed(numbers: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(numbers)}L", *numbers)


def with_table(fragments_of_frames: Sequence[Sequence[bytes]], table: bytes, **tags: Any) -> bytes:
    fragments = [fragment for frame in fragments_of_frames for fragment in frame]
    return encapsulated([table, *fragments], NumberOfFrames=len(fragments_of_frames), **tags)


@pytest.mark.parametrize("fragments", [1, 2, 3])
@pytest.mark.parametrize("table", ["basic", "extended", "empty", "wrong", "short", "odd"])
def test_frames_are_pydicom_s_whatever_the_offset_table(table: str, fragments: int) -> None:
    """Where no table helps, the starts of JPEG 2000 codestreams do."""
    split_frames = [split(frame, fragments) for frame in FRAMES]
    offsets = offset_table(split_frames)
    basic = {"basic": packed(offsets), "wrong": packed([o + 2 for o in offsets]), "short": packed(offsets[:-1])}
    tags: dict[str, Any] = {}
    if table == "extended":
        tags["ExtendedOffsetTable"] = struct.pack("<4Q", *offsets)
        tags["ExtendedOffsetTableLengths"] = struct.pack("<4Q", *(len(frame) for frame in FRAMES))
    content = with_table(split_frames, b"\0\0\0" if table == "odd" else basic.get(table, b""), **tags)

    assert frames_of(content, JPEG_2000) == FRAMES
    right = with_table(split_frames, packed(offsets))
    items = right[len(header_before_items(NumberOfFrames=4)) :]
    assert frames_of(right, JPEG_2000) == list(generate_frames(items, number_of_frames=4))


def test_frames_of_several_fragments_are_told_by_their_table_alone() -> None:
    """RLE and JPEG XL codestreams have no start that is looked for."""
    frames = [[b"aa", b"bbbb"], [b"cc"], [b"dd", b"ee", b"ff"]]
    table = packed(offset_table(frames))

    assert frames_of(with_table(frames, table), JPEG_2000) == [b"aabbbb", b"cc", b"ddeeff"]
    with pytest.raises(BrokenPixelData, match="cannot be told apart"):
        located(with_table(frames, b""), JPEG_2000)


def test_fragments_of_odd_length_are_taken_as_they_are() -> None:
    frames = [[b"a"], [b"bbb"], [b"cc"]]

    assert frames_of(with_table(frames, b""), JPEG_2000) == [b"a", b"bbb", b"cc"]


def test_one_frame_is_all_of_its_fragments() -> None:
    assert frames_of(with_table([[b"aa", b"bb", b"cc"]], b"\0\0\0\0"), JPEG_2000) == [b"aabbcc"]


@pytest.mark.parametrize("syntax", [JPEG_LS, "1.2.840.10008.1.2.4.50"])
def test_jpeg_frames_are_told_by_their_start_of_image(syntax: str) -> None:
    frames = [[SOI + b"aa", b"bb"], [SOI + b"cc"], [SOI + b"dd", b"ee", b"ff"]]
    content = encapsulated([b"", *(f for frame in frames for f in frame)], syntax, NumberOfFrames=3)

    assert frames_of(content, syntax) == [b"".join(frame) for frame in frames]


@pytest.mark.parametrize("size", [1, 7, 12, 31, 33])
def test_an_extended_offset_table_of_a_wrong_size_does_no_harm(size: int) -> None:
    frames = [split(frame, 2) for frame in FRAMES]
    content = with_table(frames, b"", ExtendedOffsetTable=bytes(size) + b"\0" * (size % 2))

    assert frames_of(content, JPEG_2000) == FRAMES


HEADER = header_before_items(NumberOfFrames=2)
TWO = as_items([b"", b"aa", b"bb"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(HEADER, "before their delimiter", id="nothing"),
        pytest.param(HEADER + END_OF_SEQUENCE, "does not begin with an offset table", id="no offset table"),
        pytest.param(HEADER + as_items([b""]) + END_OF_SEQUENCE, "no fragments", id="no fragments"),
        pytest.param(HEADER + TWO, "before their delimiter", id="no delimiter"),
        pytest.param(HEADER + TWO[:-1] + END_OF_SEQUENCE, "before their delimiter", id="a fragment cut short"),
        pytest.param(HEADER + as_items([b""]) + TWO[8:12] + b"\xff" * 4, "before", id="a fragment without length"),
        pytest.param(HEADER + TWO + b"\0" * 8, "before their delimiter", id="no item"),
        pytest.param(
            HEADER + as_items([b"", b"aa", b"bb", b"cc"]) + END_OF_SEQUENCE, "cannot be told apart", id="too many"
        ),
        pytest.param(HEADER + as_items([b"", b"aa"]) + END_OF_SEQUENCE, "cannot be told apart", id="too few"),
    ],
)
def test_broken_fragments_are_broken_pixel_data(content: bytes, message: str) -> None:
    with pytest.raises(BrokenPixelData, match=message):
        located(content, JPEG_2000)


@pytest.mark.parametrize(
    ("content", "syntax"),
    [
        pytest.param(native(bytes(72)), JPEG_2000, id="native in a compressed syntax"),
        pytest.param(
            encapsulated([b"", b"a" * 24, b"b" * 24, b"c" * 24], EXPLICIT), EXPLICIT, id="fragments in native"
        ),
    ],
)
def test_pixels_that_are_not_as_their_transfer_syntax_says_are_broken(content: bytes, syntax: str) -> None:
    """PS3.5 section A.4: else raw pixels would be sent as a codestream, or a codestream as pixels."""
    with pytest.raises(BrokenPixelData):
        located(content, syntax)


def test_the_header_of_a_table_ends_where_the_pixel_data_begins() -> None:
    for content, syntax in ((native(bytes(72)), EXPLICIT), (encapsulated([b"", b"aa", b"bb", b"cc"]), JPEG_2000)):
        assert content[located(content, syntax).header_length :][:4] == b"\xe0\x7f\x10\x00"


MANY = {
    (EXPLICIT, native(bytes(72))),
    (IMPLICIT, native(bytes(72), IMPLICIT)),
    (JPEG_2000, with_table([split(f, 2) for f in FRAMES], packed(offset_table([split(f, 2) for f in FRAMES])))),
    (JPEG_2000, encapsulated([b"", *FRAMES], NumberOfFrames=4)),
    (
        JPEG_2000,
        with_table(
            [split(f, 2) for f in FRAMES],
            b"",
            ExtendedOffsetTable=struct.pack("<4Q", *offset_table([split(f, 2) for f in FRAMES])),
        ),
    ),
}


@settings(max_examples=600)
@given(st.data())
def test_damage_never_puts_a_frame_outside_the_pixel_data(data: st.DataObject) -> None:
    syntax, whole = data.draw(st.sampled_from(sorted(MANY)))
    made = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        # Most of the damage where the pixel data and its tables are.
        position = data.draw(st.integers(132, len(made) - 1) | st.integers(max(132, len(made) - 180), len(made) - 1))
        made[position] = data.draw(st.sampled_from([0, 1, 0xFF, 0xFE, 0xE0, made[position] ^ 4]) | st.integers(0, 255))
    if data.draw(st.booleans()):
        del made[data.draw(st.integers(132, len(made))) :]
    content = bytes(made)

    with contextlib.suppress(FrameCacheError):
        table = locate_frames(MemoryReader(content), syntax, data.draw(st.none() | st.just(len(content) // 2)))
        assert table.number_of_frames >= 1
        for index in range(min(table.number_of_frames, 100)):
            for extent in table.extents(index):
                assert table.header_length < extent.offset
                assert extent.offset + extent.length <= len(content)
        assert isinstance(table, NativeFrames | EncapsulatedFrames)
