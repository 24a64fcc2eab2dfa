"""Native frames whose length the header leaves open or gets wrong: right, or an error, and never another's bytes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from framecache.dicom.byte_reader import MemoryReader
from framecache.dicom.native_frames import bits_per_frame, stored_samples
from framecache.dicom.pixel_data import locate_frames
from framecache.errors import BrokenPixelData
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dicom_files import BIG_ENDIAN, EXPLICIT, IMPLICIT, native

ROWS, COLUMNS = 4, 6
PIXELS = ROWS * COLUMNS
SUBSAMPLED = ("YBR_FULL_422", "YBR_PARTIAL_422")
# SamplesPerPixel and Photometric Interpretation as headers have them, and how many samples a pixel may really have.
HEADERS = {
    **{(3, name): (2, 3) for name in SUBSAMPLED},
    **{(3, name): (3,) for name in ("RGB", "YBR_FULL", "YBR_RCT", "YBR_ICT", "HSV", "YBR_PARTIAL_420", "unheard of")},
    **{(1, name): (1,) for name in ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "")},
    **{(4, name): (4,) for name in ("ARGB", "CMYK")},
    (1, "RGB"): (1, 3),
    (3, "MONOCHROME2"): (3, 1),
    (3, "ybr_full_422"): (2, 3),
}


def file_of(
    samples: int, held: int, said: int, header: tuple[int, str], syntax: str = EXPLICIT, **tags: Any
) -> tuple[bytes, list[bytes]]:
    """A file of `held` frames of so many samples a pixel, of which its header says that they are `said`; and these."""
    size = PIXELS * samples * tags.get("BitsAllocated", 8) // 8
    pixels = np.random.default_rng(held).integers(0, 255, held * size, np.uint8).tobytes()
    tags = {"SamplesPerPixel": header[0], "PhotometricInterpretation": header[1], "NumberOfFrames": said, **tags}
    return native(pixels, syntax, **tags), [pixels[i * size : (i + 1) * size] for i in range(held)]


def served(content: bytes, syntax: str = EXPLICIT) -> list[bytes] | str:
    """The frames that are there, or why there are none."""
    reader = MemoryReader(content)
    try:
        table = locate_frames(reader, syntax, None)
    except BrokenPixelData as error:
        return str(error)
    frames = []
    for index in range(table.frames_present):
        place = table.place(index, reader)
        frames.append(bytearray(place.length))
        place.read_into(reader, memoryview(frames[-1]))
    return [bytes(frame) for frame in frames]


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN])
@pytest.mark.parametrize("frames", [1, 2, 3])
@pytest.mark.parametrize("header", HEADERS, ids=str)
def test_the_reading_that_the_pixel_data_fills_is_taken(header: tuple[int, str], frames: int, syntax: str) -> None:
    for samples in HEADERS[header]:
        content, expected = file_of(samples, frames, frames, header, syntax)
        assert served(content, syntax) == expected


def wrong_numbers() -> Iterator[tuple[tuple[int, str], int, int, int]]:
    """Headers, samples, frames held and frames said; without those that are what another header would rightly say."""
    for (header, readings), held, by in product(HEADERS.items(), range(1, 6), (-3, -2, -1, 1, 2, 3)):
        for samples in readings:
            said = held + by
            if said > 0 and not any(held * samples == said * other for other in readings):
                yield header, samples, held, said


@pytest.mark.parametrize("header", HEADERS, ids=str)
def test_one_to_three_frames_more_or_less_than_said_never_move_another(header: tuple[int, str]) -> None:
    cases = [case for case in wrong_numbers() if case[0] == header]
    assert len(cases) > 15
    for _, samples, held, said in cases:
        content, expected = file_of(samples, held, said, header)
        found = served(content)
        if len(HEADERS[header]) == 1:
            assert found == expected[:said]
        assert isinstance(found, str) or found == expected[:said]


@pytest.mark.parametrize(
    ("samples", "held", "said", "is_certain"),
    [(2, 5, 4, True), (3, 3, 4, True), (2, 1, 2, True), (2, 3, 1, False), (3, 2, 1, False), (3, 4, 5, False)],
)
def test_of_two_readings_the_one_of_whole_frames_is_taken(
    samples: int, held: int, said: int, *, is_certain: bool
) -> None:
    """Three frames of two samples are two of three: then nothing tells."""
    content, expected = file_of(samples, held, said, (3, "YBR_FULL_422"))
    assert served(content) == expected[:said] if is_certain else "by any reading" in served(content)


@pytest.mark.parametrize("header", HEADERS, ids=str)
@pytest.mark.parametrize("cut", [1, PIXELS - 1, PIXELS + 1, 3 * PIXELS])
def test_of_a_file_cut_short_the_whole_frames_are_had(header: tuple[int, str], cut: int) -> None:
    """The length that the pixel data should have is still there, and tells the readings apart."""
    for samples in HEADERS[header]:
        content, expected = file_of(samples, 5, 5, header)
        assert served(content[:-cut]) == expected[: (5 * samples * PIXELS - cut) // (samples * PIXELS)]


@pytest.mark.parametrize("name", SUBSAMPLED)
@pytest.mark.parametrize("size", [7, 2 * PIXELS + 2, 4 * PIXELS + 8, 5 * PIXELS, 6 * PIXELS + 40])
def test_pixel_data_of_no_reading_is_an_error(name: str, size: int) -> None:
    content = native(bytes(size), SamplesPerPixel=3, PhotometricInterpretation=name, NumberOfFrames=2)
    assert "by any reading" in served(content)


@pytest.mark.parametrize(
    ("frames", "excess", "is_certain"),
    [
        pytest.param(1, 128, True, id="the first frame is where the pixel data begins"),
        pytest.param(3, 128, True, id="what cannot be shared out is padding"),
        pytest.param(3, 3 * 2, False, id="each frame may be padded"),
        pytest.param(3, 3 * COLUMNS, False, id="each frame may have one more row"),
        pytest.param(3, PIXELS, True, id="another frame"),
        pytest.param(3, 3 * PIXELS, True, id="as many frames again"),
    ],
)
def test_bytes_behind_the_last_frame_do_no_harm_where_they_are_no_frames(
    frames: int, excess: int, *, is_certain: bool
) -> None:
    pixels = bytes(range(frames * PIXELS))
    found = served(native(pixels + bytes(excess), NumberOfFrames=frames))

    whole = [pixels[i * PIXELS : (i + 1) * PIXELS] for i in range(frames)]
    assert found == whole if is_certain else "by any reading" in found


@pytest.mark.parametrize(
    ("tags", "size", "is_had"),
    [
        pytest.param({"BitsAllocated": 1}, 9, True, id="packed"),
        pytest.param(
            {"BitsAllocated": 1, "Columns": 5}, 12, False, id="each frame padded to a byte: not as PS3.5 8.1.1"
        ),
        pytest.param({"BitsAllocated": 32}, 288, True, id="32 bits"),
        pytest.param({"BitsAllocated": 64}, 576, True, id="64 bits"),
        pytest.param({"BitsAllocated": 12}, 108, False, id="12 bits"),
        pytest.param({"BitsAllocated": 0}, 72, False, id="no bits"),
        pytest.param({"SamplesPerPixel": 0}, 72, False, id="no samples"),
        pytest.param({"Columns": 0}, 72, False, id="no columns"),
    ],
)
def test_bits_and_sides(tags: dict[str, Any], size: int, *, is_had: bool) -> None:
    found = served(native(bytes(size), **tags))
    assert isinstance(found, list) == is_had
    assert not is_had or (len(found) == 3 and {len(frame) for frame in found} == {size // 3})


@given(st.lists(st.integers(1, 500), min_size=1, max_size=3, unique=True), st.integers(1, 40), st.integers(0, 3000))
def test_what_is_taken_is_one_of_the_readings(readings: list[int], frames: int, length: int) -> None:
    try:
        bits = bits_per_frame(readings, frames, length)
    except BrokenPixelData:
        return
    assert bits in readings
    if len(readings) > 1:
        assert bits * max(1, 8 * length // bits) <= 8 * length


@given(st.text(max_size=20), st.integers(1, 0xFFFF))
def test_any_header_has_readings_and_its_own_first(name: str, samples_per_pixel: int) -> None:
    readings = stored_samples(name, samples_per_pixel)
    assert len(set(readings)) == len(readings) > 0
    assert readings[0] == samples_per_pixel or "_422" in name.upper()
