"""Every transfer syntax decodes to the pixels that went in, or to a clear error."""

from __future__ import annotations

from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
from framecache.codecs.process.decoding import decode
from framecache.codecs.process.errors import Undecodable
from framecache.codecs.process.pixels import PixelDescription
from framecache.dicom.transfer_syntax import lookup

from tests.unit.codecs.process.frames import Frame, colour, frames, grey

FRAMES = list(frames())
BIG_ENDIAN = "1.2.840.10008.1.2.2"
EXPLICIT = "1.2.840.10008.1.2.1"


def of(frame: Frame, **more: object) -> PixelDescription:
    return PixelDescription.from_data_set(frame.data_set(**more))


@pytest.mark.parametrize("frame", [f for f in FRAMES if not f.lossy and not f.mislabelled], ids=lambda f: f.name)
def test_lossless_frames_decode_to_the_pixels_that_went_in(frame: Frame) -> None:
    pixels = decode(frame.stored, of(frame)).pixels
    # JPEG and JPEG-LS know no sign: bits above HighBit are not what they were.
    unused = 8 * pixels.itemsize - frame.bits_stored
    assert np.array_equal(pixels << unused, frame.pixels << unused)


@pytest.mark.parametrize("frame", [f for f in FRAMES if f.lossy], ids=lambda f: f.name)
def test_lossy_frames_decode_to_pixels_near_those_that_went_in(frame: Frame) -> None:
    difference = np.abs(decode(frame.stored, of(frame)).pixels.astype(int) - frame.pixels.astype(int))
    assert difference.mean() < (1 << frame.bits_stored) / 64


@pytest.mark.parametrize("frame", FRAMES, ids=lambda f: f.name)
def test_a_decoded_frame_has_the_shape_and_type_that_its_header_says(frame: Frame) -> None:
    description = of(frame)
    decoded = decode(frame.stored, description)
    assert decoded.pixels.shape == description.shape
    assert decoded.pixels.dtype == description.dtype
    assert decoded.pixels.flags.c_contiguous


@pytest.mark.parametrize(
    ("name", "photometric"),
    [
        ("JPEG YBR_FULL_422 422", "RGB"),
        ("JPEG RGB bare", "RGB"),
        ("JPEG inverse", "MONOCHROME1"),
        ("JPEG 2000 YBR_ICT", "RGB"),
        ("JPEG 2000 YBR_RCT", "RGB"),
        ("HTJ2K YBR_RCT", "RGB"),
        ("RLE YBR_FULL", "YBR_FULL"),
        ("RLE palette", "PALETTE COLOR"),
        ("JPEG XL RGB", "RGB"),
    ],
)
def test_the_photometric_interpretation_is_that_of_the_decoded_pixels(name: str, photometric: str) -> None:
    frame = next(f for f in FRAMES if f.name == name)
    assert decode(frame.stored, of(frame)).photometric_interpretation == photometric


@pytest.mark.parametrize("frame", FRAMES, ids=lambda f: f.name)
@pytest.mark.parametrize("keyword", ["Rows", "Columns"])
def test_a_frame_of_another_size_than_its_header_says_is_refused(frame: Frame, keyword: str) -> None:
    larger = {keyword: getattr(frame.data_set(), keyword) + 2}
    with pytest.raises(Undecodable):
        decode(frame.stored, of(frame, **larger))


@pytest.mark.parametrize("frame", [f for f in FRAMES if f.samples_per_pixel == 3], ids=lambda f: f.name)
def test_colour_is_not_taken_for_grey(frame: Frame) -> None:
    with pytest.raises(Undecodable):
        decode(frame.stored, of(frame, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2"))


@pytest.mark.parametrize("frame", [f for f in FRAMES if f.pixels.dtype == np.uint16], ids=lambda f: f.name)
def test_samples_that_do_not_fit_are_refused(frame: Frame) -> None:
    if frame.name == "JPEG 2000 8 bits in 16":
        pytest.skip("its samples fit")
    with pytest.raises(Undecodable):
        decode(frame.stored, of(frame, BitsAllocated=8, BitsStored=8, HighBit=7))


@pytest.mark.parametrize("frame", FRAMES, ids=lambda f: f.name)
def test_a_frame_that_is_cut_short_is_refused(frame: Frame) -> None:
    for length in (0, 1, 10, len(frame.stored) // 2):
        with pytest.raises(Undecodable):
            decode(frame.stored[:length], of(frame))


@pytest.mark.parametrize("bits", [12, 16])
def test_chrominance_of_more_than_8_bits_becomes_colour_of_as_many(bits: int) -> None:
    """White, red, black; PS3.3 section C.7.6.3.1.2 for samples of 8 bits, which are scaled."""
    scale = 1 << (bits - 8)
    pixels = np.array([[[255, 128, 128], [76, 84, 255], [0, 128, 128]]], np.uint16) * np.uint16(scale)
    stored = bytes(imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="J2K", reversible=True, mct=False))
    frame = Frame("deep", "1.2.840.10008.1.2.4.90", stored, pixels, "YBR_FULL", bits)
    expected = np.array([[[255, 255, 255], [254, 0, 0], [0, 0, 0]]]) * scale
    assert np.abs(decode(stored, of(frame)).pixels.astype(int) - expected).max() <= 2 * scale


JPEG_2000S = [f for f in FRAMES if lookup(f.transfer_syntax_uid).media_type in ("image/jp2", "image/jphc")]


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.4.102", "1.2.3", ""])
def test_video_and_unknown_syntaxes_are_refused(uid: str) -> None:
    with pytest.raises(Undecodable, match="cannot be decoded"):
        decode(b"", replace(of(FRAMES[0]), transfer_syntax_uid=uid))


def test_single_bits_begin_with_the_least_significant() -> None:
    bits = (grey("u1", 8, 8, 24) > 100).astype(np.uint8)
    stored = np.packbits(bits, bitorder="little").tobytes()
    frame = Frame("bits", EXPLICIT, stored, bits, "MONOCHROME2", 1, bits_allocated=1)
    assert np.array_equal(decode(stored, of(frame)).pixels, bits)


def test_single_bits_may_end_within_a_byte() -> None:
    bits = (grey("u1", 8, 7, 9) > 100).astype(np.uint8)
    stored = np.packbits(bits, bitorder="little").tobytes()
    frame = Frame("bits", EXPLICIT, stored, bits, "MONOCHROME2", 1, bits_allocated=1)
    assert np.array_equal(decode(stored, of(frame)).pixels, bits)
    with pytest.raises(Undecodable, match="length"):
        decode(stored + b"\0", of(frame))


def test_native_ybr_full_422_gives_each_pixel_the_chrominance_of_its_pair() -> None:
    stored = bytes([10, 20, 30, 40, 50, 60, 70, 80])
    pixels = np.array([[[10, 30, 40], [20, 30, 40], [50, 70, 80], [60, 70, 80]]], np.uint8)
    decoded = decode(stored, of(Frame("422", EXPLICIT, stored, pixels, "YBR_FULL_422", 8)))
    assert np.array_equal(decoded.pixels, pixels)
    assert decoded.photometric_interpretation == "YBR_FULL"


@pytest.mark.parametrize("photometric", ["YBR_FULL_422", "YBR_PARTIAL_422"])
@pytest.mark.parametrize("planar", [0, 1])
def test_native_frames_of_three_samples_under_a_name_of_two_are_of_three(photometric: str, planar: int) -> None:
    """Their length tells; the same question is answered where frames are found."""
    pixels = colour()
    stored = (np.moveaxis(pixels, 2, 0) if planar else pixels).tobytes()
    decoded = decode(stored, of(Frame("444", EXPLICIT, stored, pixels, photometric, 8, planar)))
    assert np.array_equal(decoded.pixels, pixels)
    assert decoded.photometric_interpretation == photometric.removesuffix("_422")


@pytest.mark.parametrize(
    "wrong",
    [
        {"Rows": 0},
        {"Columns": None},
        {"SamplesPerPixel": 2},
        {"BitsAllocated": 12},
        {"BitsStored": 17},
        {"BitsAllocated": None},
    ],
    ids=str,
)
def test_a_header_that_describes_no_image_is_refused(wrong: dict[str, object]) -> None:
    frame = Frame("wrong", EXPLICIT, b"", grey(), "MONOCHROME2", 12)
    with pytest.raises(Undecodable):
        of(frame, **wrong)


@pytest.mark.parametrize("frame", JPEG_2000S, ids=lambda f: f.name)
@pytest.mark.parametrize("missing", [2, 3, 30])
def test_a_jpeg_2000_without_its_end_is_refused(frame: Frame, missing: int) -> None:
    """The decoders make up what is missing."""
    with pytest.raises(Undecodable, match="cut short"):
        decode(frame.stored.rstrip(b"\0")[:-missing], of(frame))


def test_the_boxes_of_a_jp2_file_are_left_out() -> None:
    frame = next(f for f in FRAMES if f.name == "JPEG 2000 12 bits")
    in_a_file = b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0" * 40 + frame.stored
    assert np.array_equal(decode(in_a_file, of(frame)).pixels, frame.pixels)


def test_a_jpeg_says_how_large_it_is_before_it_is_decoded() -> None:
    frame = next(f for f in FRAMES if f.name == "JPEG YBR_FULL 444")
    assert colour().shape == frame.pixels.shape
    start = frame.stored.index(b"\xff\xc0")
    bomb = frame.stored[: start + 5] + b"\xff\xdc\xff\xdc" + frame.stored[start + 9 :]
    with pytest.raises(Undecodable, match="65500 rows"):
        decode(bomb, of(frame))


@pytest.mark.parametrize("offset", [0, 63, 64, 5000, 0xFFFFFFFF])
def test_rle_segments_that_lie_elsewhere_are_refused(offset: int) -> None:
    frame = next(f for f in FRAMES if f.name == "RLE RGB planar 0")
    broken = frame.stored[:8] + offset.to_bytes(4, "little") + frame.stored[12:]
    with pytest.raises(Undecodable):
        decode(broken, of(frame))
