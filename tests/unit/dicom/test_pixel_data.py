"""Where frames lie: compared with pydicom and with slices of the pixels, and kept inside the pixel data by damage."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from framecache.dicom.byte_reader import ByteReader, FileReader, MemoryReader
from framecache.dicom.frame_table import Extents, FrameTable
from framecache.dicom.pixel_data import locate_frames
from framecache.errors import BrokenPixelData, FrameCacheError, UnreadableHeader
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import generate_frames
from pydicom.pixels.utils import pack_bits, unpack_bits

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

RLE = "1.2.840.10008.1.2.5"
SOI, SOC = b"\xff\xd8\xff\xe0", b"\xff\x4f\xff\x51"


def located(content: bytes, syntax: str) -> FrameTable:
    return locate_frames(MemoryReader(content), syntax, None)


def frames_of(content: bytes, syntax: str) -> list[bytes]:
    """The bytes of all frames, by the table."""
    table, reader = located(content, syntax), MemoryReader(content)
    assert table.frames_present == table.number_of_frames
    return [frame_of(table, reader, index) for index in range(table.number_of_frames)]


def frame_of(table: FrameTable, reader: ByteReader, index: int) -> bytes:
    place = table.place(index, reader)
    frame = bytearray(place.length)
    place.read_into(reader, memoryview(frame))
    return bytes(frame)


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
        pixels = np.frombuffer(pixels, "u2").byteswap().tobytes()  # OW
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
        pytest.param(native(bytes(72), Rows=65535, Columns=65535), "within its first frame", id="large rows"),
        pytest.param(native(bytes(72))[:-60], "within its first frame", id="a file that is cut within the first frame"),
        pytest.param(native(b"", Rows=0), "is zero", id="no rows"),
        pytest.param(native(bytes(72), NumberOfFrames=0), "not positive", id="no frames"),
        pytest.param(native(bytes(72), NumberOfFrames=-3), "not positive", id="negative frames"),
    ],
)
def test_native_pixels_that_contradict_their_header_are_broken(content: bytes, message: str) -> None:
    with pytest.raises(BrokenPixelData, match=message):
        located(content, EXPLICIT)


def first_missing_of(content: bytes, syntax: str, whole: Sequence[bytes]) -> int:
    """The number of the first frame that is missing: those before it are `whole`'s, it and the last are broken."""
    table, reader = located(content, syntax), MemoryReader(content)
    present = table.frames_present
    assert [frame_of(table, reader, index) for index in range(present)] == list(whole[:present])
    for index in (present, table.number_of_frames - 1):
        with pytest.raises(BrokenPixelData):
            table.place(index, reader)
    return present + 1


@pytest.mark.parametrize(
    ("content", "first_missing"),
    [
        pytest.param(native(bytes(range(70))), 3, id="a short value"),
        pytest.param(native(bytes(range(72)))[:-1], 3, id="a short file"),
        pytest.param(native(bytes(range(72)))[:-25], 2, id="a shorter file"),
        pytest.param(native(bytes(range(72)), NumberOfFrames=4), 4, id="too many frames"),
        pytest.param(native(bytes(range(72)), NumberOfFrames=2**31 - 1), 4, id="far too many frames"),
    ],
)
def test_native_frames_that_are_there_are_had_and_others_are_missing(content: bytes, first_missing: int) -> None:
    whole = [bytes(range(24 * i, 24 * i + 24)) for i in range(3)]
    assert first_missing_of(content, EXPLICIT, whole) == first_missing


@pytest.mark.parametrize("frames", [1, 2, 7, 8, 9])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 3), (5, 13), (7, 9), (8, 8), (31, 33)])
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_frames_of_single_bits_are_pydicom_s(syntax: str, rows: int, columns: int, frames: int) -> None:
    """Each begins with a byte, and zeros fill its last one (PS3.5 section 8.1.1 packs them across frames)."""
    pixels = np.random.default_rng(rows * frames).integers(0, 2, (frames, rows * columns), np.uint8)
    stored = pack_bits(pixels.ravel(), pad=False)
    content = native(stored, syntax, BitsAllocated=1, Rows=rows, Columns=columns, NumberOfFrames=frames)

    unpacked = np.asarray(unpack_bits(stored))[: pixels.size].reshape(pixels.shape)
    found = frames_of(content, syntax)

    assert found == [pack_bits(frame, pad=False) for frame in unpacked]
    assert [len(frame) for frame in found] == [-(-rows * columns // 8)] * frames


def test_single_bits_that_are_cut_off_are_missing() -> None:
    content = native(bytes(10), BitsAllocated=1, Rows=3, Columns=3, NumberOfFrames=9)
    assert located(content, EXPLICIT).frames_present == 8


def test_a_header_without_rows_is_unreadable() -> None:
    with pytest.raises(UnreadableHeader, match="is missing"):
        located(native(bytes(72), Rows=None), EXPLICIT)


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


@pytest.mark.parametrize("far", [1 << 40, (1 << 63) - 400, 1 << 63, (1 << 64) - 8])
def test_an_extended_offset_table_that_points_where_no_file_can_reach_does_no_harm(tmp_path: Path, far: int) -> None:
    """It has 64 bits, and a file's positions have 63."""
    frames = [split(frame, 1) for frame in FRAMES]
    table = struct.pack("<4Q", *offset_table(frames)[:3], far)
    path = tmp_path / "file"
    path.write_bytes(with_table(frames, b"", ExtendedOffsetTable=table))

    with FileReader(path) as reader:
        table_found = locate_frames(reader, JPEG_2000, None)
        assert [frame_of(table_found, reader, index) for index in range(4)] == FRAMES


HEADER = header_before_items(NumberOfFrames=2)
TWO = as_items([b"", b"aa", b"bb"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(HEADER, "does not begin with an offset table", id="nothing"),
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


def missing_cases() -> list[Any]:
    """Four frames as they were meant, and what became of them."""
    table = offset_table([[frame] for frame in FRAMES])
    tags: dict[str, Any] = {"NumberOfFrames": 4}
    halves = [split(frame, 2) for frame in FRAMES]
    in_halves = offset_table(halves)
    two, three = header_before_items(**tags) + as_items([b"", *FRAMES[:2]]), as_items([b"", *FRAMES[:3]])
    tabled = header_before_items(**tags) + as_items([packed(table), *FRAMES])
    halved = header_before_items(**tags) + as_items([packed(in_halves), *(half for frame in halves for half in frame)])
    extended = {**tags, "ExtendedOffsetTable": struct.pack("<4Q", *table)}
    return [
        pytest.param(two + END_OF_SEQUENCE, 3, id="two fragments, no table"),
        pytest.param(encapsulated([packed(table[:2]), *FRAMES[:2]], **tags), 3, id="two fragments, a table of two"),
        pytest.param(encapsulated([packed(table), *FRAMES[:2]], **tags), 3, id="two fragments, a table of four"),
        pytest.param(encapsulated([b"", *FRAMES[:2]], **extended), 3, id="two fragments, an extended table of four"),
        pytest.param(
            encapsulated([packed(in_halves), *halves[0], *halves[1], halves[2][0]], **tags), 3, id="half a frame"
        ),
        pytest.param(two, 2, id="no table, cut behind the second, which may go on"),
        pytest.param(header_before_items(**tags) + three[:-2], 3, id="no table, cut in the third"),
        pytest.param(tabled, 4, id="a table, no delimiter"),
        pytest.param(tabled[:-2], 4, id="a table, cut in the fourth"),
        pytest.param(tabled[: -len(FRAMES[3]) - 4], 4, id="a table, cut in an item header"),
        pytest.param(tabled[: -len(FRAMES[3]) - 10], 3, id="a table, cut in the third"),
        pytest.param(halved[:-2], 4, id="a table of halves, cut in the last"),
        pytest.param(halved[: -len(halves[3][1]) - 9], 4, id="a table of halves, cut in the last but one"),
        pytest.param(halved[: -len(FRAMES[3]) - 20], 3, id="a table of halves, cut before"),
    ]


@pytest.mark.parametrize(("content", "first_missing"), missing_cases())
def test_fragments_that_are_there_are_had_and_other_frames_are_missing(content: bytes, first_missing: int) -> None:
    assert first_missing_of(content, JPEG_2000, FRAMES) == first_missing


HALVES = [half for frame in FRAMES for half in split(frame, 2)]


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([b"", *HALVES[:6]], id="halves, no table"),
        pytest.param([b"", *HALVES[:3]], id="fewer halves than frames, no table"),
        pytest.param([packed([0, 3]), *FRAMES[:2]], id="a table that points elsewhere"),
        pytest.param([packed(offset_table([[f] for f in FRAMES])[:3]), *FRAMES[:2]], id="a table of three for two"),
        pytest.param([packed(offset_table([[h] for h in HALVES])[:3]), *HALVES[:6]], id="a short table of halves"),
        pytest.param([packed([0, 2, 40, 90]), *FRAMES[:2]], id="a table that is partly wrong"),
    ],
)
def test_frames_are_never_cut_by_guess(items: list[bytes]) -> None:
    with pytest.raises(BrokenPixelData, match="cannot be told apart"):
        located(encapsulated(items, NumberOfFrames=4), JPEG_2000)


@pytest.mark.parametrize(("syntax", "start"), [(JPEG_LS, SOI), (RLE, struct.pack("<LL", 2, 64))])
def test_fewer_fragments_than_frames_are_frames_if_each_begins_as_one(syntax: str, start: bytes) -> None:
    frames = [start + bytes([i]) * 8 for i in range(3)]

    whole = encapsulated([b"", *frames], syntax, NumberOfFrames=5)
    assert first_missing_of(whole, syntax, frames) == 4

    odd = encapsulated([b"", frames[0], frames[1][2:], frames[2]], syntax, NumberOfFrames=5)
    with pytest.raises(BrokenPixelData, match="cannot be told apart"):
        located(odd, syntax)


class CountingReader(MemoryReader):
    """Tells how often it was asked."""

    reads = 0

    def read_at(self, offset: int, length: int) -> bytes:
        self.reads += 1
        return super().read_at(offset, length)


@pytest.mark.parametrize("kind", ["basic", "extended"])
def test_with_a_table_one_frame_of_many_is_found_without_the_others(kind: str) -> None:
    frames = [SOC + struct.pack("<L", i) * (1 + i % 7) for i in range(1000)]
    offsets = offset_table([[frame] for frame in frames])
    tags: dict[str, Any] = {"ExtendedOffsetTable": struct.pack("<1000Q", *offsets)} if kind == "extended" else {}
    basic = packed(offsets) if kind == "basic" else b""
    reader = CountingReader(encapsulated([basic, *frames], NumberOfFrames=1000, **tags))

    table = locate_frames(reader, JPEG_2000, None)
    found = [frame_of(table, reader, index) for index in (0, 500, 999)]

    assert found == [frames[0], frames[500], frames[999]]
    assert reader.reads <= 12


def test_a_table_that_is_wrong_in_the_middle_is_seen_when_that_frame_is_wanted() -> None:
    """Its ends are right, so it is believed until an item does not end where the next one is said to begin."""
    frames = [SOC + bytes([i]) * 8 for i in range(6)]
    offsets = offset_table([[frame] for frame in frames])
    for wrong in range(2, 5):
        table = [offset + 2 * (index == wrong) for index, offset in enumerate(offsets)]
        content = encapsulated([packed(table), *frames], NumberOfFrames=6)
        for first in range(6):
            located_frames, reader = located(content, JPEG_2000), MemoryReader(content)
            for index in (first, *range(6)):
                assert frame_of(located_frames, reader, index) == frames[index]


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
        assert 1 <= table.frames_present <= table.number_of_frames
        for index in range(min(table.number_of_frames, 100)):
            with contextlib.suppress(BrokenPixelData):
                place = table.place(index, MemoryReader(content))
                assert isinstance(place, Extents)
                for run in place.runs:
                    assert table.header_length < run.offset
                    assert run.offset + run.length <= len(content)
