"""Frames of Explicit VR Big Endian: read as Little Endian has them, and cut behind the last whole word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from framecache.dicom.byte_reader import MemoryReader
from framecache.dicom.pixel_data import locate_frames
from framecache.errors import BrokenPixelData, SourceError

from tests.unit.dicom_files import BIG_ENDIAN, EXPLICIT, encoded, image, native

COLOUR = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}
PIXELS: dict[str, dict[str, Any]] = {
    "8 bits": {"Rows": 4, "Columns": 6},
    "8 bits, an odd number of samples": {"Rows": 3, "Columns": 3},
    "RGB": {"Rows": 4, "Columns": 6, **COLOUR},
    "RGB, an odd number of samples": {"Rows": 3, "Columns": 3, **COLOUR},
    "palette": {"Rows": 5, "Columns": 5, "PhotometricInterpretation": "PALETTE COLOR"},
    "4:2:2": {"Rows": 1, "Columns": 2, **COLOUR, "PhotometricInterpretation": "YBR_FULL_422"},
    "16 bits": {"BitsAllocated": 16, "Rows": 3, "Columns": 3},
    "32 bits": {"BitsAllocated": 32, "Rows": 3, "Columns": 3},
    "64 bits": {"BitsAllocated": 64, "Rows": 3, "Columns": 3},
    "single bits": {"BitsAllocated": 1, "Rows": 3, "Columns": 3},
}


def frames_of(content: bytes, syntax: str) -> list[bytes]:
    reader, frames = MemoryReader(content), []
    table = locate_frames(reader, syntax, None)
    for index in range(table.frames_present):
        place = table.place(index, reader)
        frame = bytearray(place.length)
        place.read_into(reader, memoryview(frame))
        frames.append(bytes(frame))
    return frames


def big_endian(value: bytes, vr: str, **tags: Any) -> bytes:
    """A file of which the pixel data element has this value."""
    dataset = image(**tags)
    dataset.PixelData = value
    dataset["PixelData"].VR = vr
    return encoded(dataset, BIG_ENDIAN)


@pytest.mark.parametrize("frames", [1, 2, 3, 4])
@pytest.mark.parametrize(("vr", "word"), [("OB", "u1"), ("UN", "u1"), ("OW", "u2")])
@pytest.mark.parametrize("tags", PIXELS.values(), ids=PIXELS)
def test_frames_are_read_as_little_endian_has_them(tags: dict[str, Any], vr: str, word: str, frames: int) -> None:
    """Bytes are swapped in the words of the VR over the whole pixel data; a frame may begin within a word."""
    bits = tags["Rows"] * tags["Columns"] * tags.get("BitsAllocated", 8)
    bits *= 2 if "422" in tags.get("PhotometricInterpretation", "") else tags.get("SamplesPerPixel", 1)
    length = -(-frames * bits // 8)
    pixels = np.random.default_rng(frames).integers(0, 256, length + length % 2, np.uint8)

    swapped = big_endian(pixels.view(word).byteswap().tobytes(), vr, NumberOfFrames=frames, **tags)
    little = native(pixels.tobytes(), NumberOfFrames=frames, **tags)

    found = frames_of(swapped, BIG_ENDIAN)
    assert len(found) == frames
    assert found == frames_of(little, EXPLICIT)


@pytest.mark.parametrize(("keyword", "word"), [("FloatPixelData", "u4"), ("DoubleFloatPixelData", "u8")])
def test_floats_are_turned_round_as_a_whole(keyword: str, word: str) -> None:
    pixels = np.arange(3 * 9, dtype=word)
    dataset = image(Rows=3, Columns=3, BitsAllocated=8 * pixels.itemsize)
    setattr(dataset, keyword, pixels.byteswap().tobytes())

    assert b"".join(frames_of(encoded(dataset, BIG_ENDIAN), BIG_ENDIAN)) == pixels.tobytes()


def test_of_a_file_cut_within_a_word_the_frames_before_the_word_are_had() -> None:
    pixels = bytes(range(28))
    content = big_endian(np.frombuffer(pixels, "u2").byteswap().tobytes(), "OW", Rows=3, Columns=3)

    for cut in range(18):
        whole = (28 - cut) // 2 * 2 // 9
        expected = [pixels[9 * i : 9 * i + 9] for i in range(whole)]
        assert frames_of(content[: len(content) - cut], BIG_ENDIAN) == expected
    with pytest.raises(BrokenPixelData):
        frames_of(content[:-20], BIG_ENDIAN)


def test_a_file_cut_behind_its_table_is_an_error_and_no_frame() -> None:
    content = big_endian(bytes(28), "OW", Rows=3, Columns=3)
    place = locate_frames(MemoryReader(content), BIG_ENDIAN, None).place(2, MemoryReader(content))

    with pytest.raises(SourceError, match="ends before"):
        place.read_into(MemoryReader(content[:-10]), memoryview(bytearray(place.length)))
