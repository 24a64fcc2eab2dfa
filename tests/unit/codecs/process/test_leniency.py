"""Frames that are not as the standard has them, and show what they show beyond doubt: they are shown, no others are."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import imagecodecs
import numpy as np
import pytest
from framecache.codecs.process.decoding import decode
from framecache.codecs.process.errors import Undecodable
from framecache.codecs.process.pixels import PixelDescription
from framecache.codecs.process.service import Service
from framecache.dicom.transfer_syntax import lookup
from framecache.dicomweb.rendering_parameters import PNG, parse_rendering
from PIL import Image

from tests.unit.codecs.process.frames import Frame, Pixels, colour, frames, grey

EXPLICIT, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"
BASELINE, EXTENDED = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
JPEG_LS_NEAR, JPEG_2000 = "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91"
FRAMES = list(frames())
RLES = [frame for frame in FRAMES if frame.transfer_syntax_uid == RLE]
STREAMS = [f for f in FRAMES if lookup(f.transfer_syntax_uid).media_type in ("image/jpeg", "image/jls")]


def of(frame: Frame, **more: object) -> PixelDescription:
    return PixelDescription.from_data_set(frame.data_set(**more))


def picture(frame: Frame, **more: object) -> Pixels:
    """As PNG has it, through the whole of a helper process."""
    head = {"render": parse_rendering({}, PNG).to_message(), "frame_number": 1}
    png = Service(1 << 24).answer(head, frame.header(**more), frame.stored)
    return np.asarray(Image.open(io.BytesIO(png)))


@pytest.mark.parametrize("frame", STREAMS, ids=lambda f: f.name)
def test_any_number_of_zeros_may_stand_behind_a_jpeg(frame: Frame) -> None:
    padded = decode(frame.stored + b"\0" * 5000, of(frame))
    assert np.array_equal(padded.pixels, decode(frame.stored, of(frame)).pixels)


@pytest.mark.parametrize("frame", STREAMS, ids=lambda f: f.name)
def test_zeros_are_no_end(frame: Frame) -> None:
    with pytest.raises(Undecodable):
        decode(frame.stored[: len(frame.stored) // 2] + b"\0" * 5000, of(frame))


@pytest.mark.parametrize("frame", RLES, ids=lambda f: f.name)
def test_rle_segments_may_be_padded_with_anything(frame: Frame) -> None:
    for padding in (b"\0\0", b"\x05ab", b"\x80", b"\xff", b"\xff\x07", b"anything at all"):
        assert np.array_equal(decode(padded_rle(frame.stored, padding), of(frame)).pixels, frame.pixels), padding


@pytest.mark.parametrize("frame", RLES, ids=lambda f: f.name)
def test_rle_segments_that_are_too_short_are_refused(frame: Frame) -> None:
    with pytest.raises(Undecodable):
        decode(padded_rle(frame.stored, b"", cut=3), of(frame))


def padded_rle(stored: bytes, padding: bytes, cut: int = 0) -> bytes:
    """The frame with `padding` behind each of its segments, or without their last bytes."""
    number, *table = np.frombuffer(stored[:64], "<u4").tolist()
    ends = [*table[1:number], len(stored)]
    segments = [stored[start : end - cut] + padding for start, end in zip(table, ends, strict=False)]
    offsets = [64 + sum(map(len, segments[:i])) for i in range(number)]
    return np.array([number, *offsets, *[0] * (15 - number)], "<u4").tobytes() + b"".join(segments)


@pytest.mark.parametrize("frame", RLES, ids=lambda f: f.name)
def test_damage_is_not_taken_for_padding(frame: Frame) -> None:
    middle = len(frame.stored) // 2
    noise = np.random.default_rng(1).bytes(len(frame.stored) - middle)
    with pytest.raises(Undecodable):
        decode(frame.stored[:middle] + noise, of(frame))


def test_one_literal_too_many_is_padding() -> None:
    """The header of the last run says one byte more than the plane has."""
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    rows = bytes([3, 0, 1, 2, 3, 3, 4, 5, 6, 7])
    for literals in (rows + bytes([4, 8, 9, 10, 11, 99]), rows + bytes([4, 8, 9, 10, 11])):
        stored = np.array([1, 64, *[0] * 14], "<u4").tobytes() + literals
        frame = Frame("literals", RLE, stored, pixels, "MONOCHROME2", 8)
        assert np.array_equal(decode(stored, of(frame)).pixels, pixels)


@pytest.mark.parametrize(
    "name", ["JPEG 8 bits", "JPEG YBR_FULL 444", "JPEG-LS 12 bits", "JPEG 2000 12 bits", "HTJ2K 8 bits"]
)
def test_a_tile_smaller_than_its_header_says_is_shown_as_it_is(name: str) -> None:
    frame = next(f for f in FRAMES if f.name == name)
    rows, columns, *_ = frame.pixels.shape
    np.testing.assert_array_equal(picture(frame, Rows=rows + 10, Columns=columns + 2), picture(frame))
    with pytest.raises(Undecodable):  # its octets would not be what the metadata says
        Service(1 << 24).answer({"transcode": EXPLICIT}, frame.header(Rows=rows + 10), frame.stored)
    with pytest.raises(Undecodable):
        picture(frame, Rows=rows - 1)


@pytest.mark.parametrize(
    ("name", "samples"), [("JPEG 8 bits", 3), ("JPEG YBR_FULL 444", 1), ("JPEG 2000 YBR_RCT", 1), ("JPEG-LS 8 bits", 3)]
)
def test_a_stream_has_as_many_samples_as_it_says(name: str, samples: int) -> None:
    frame = next(f for f in FRAMES if f.name == name)
    called = "RGB" if samples == 3 else "MONOCHROME2"
    np.testing.assert_array_equal(
        picture(frame, SamplesPerPixel=samples, PhotometricInterpretation=called), picture(frame)
    )


@pytest.mark.parametrize("number", [53, 55])
@pytest.mark.parametrize("pixels", [grey("u1", 8), colour()], ids=["grey", "colour"])
def test_progressive_jpeg_of_retired_syntaxes_is_decoded(pixels: Pixels, number: int) -> None:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", progressive=True, quality=95, subsampling=0)
    name = "YBR_FULL" if pixels.ndim == 3 else "MONOCHROME2"
    frame = Frame("progressive", f"1.2.840.10008.1.2.4.{number}", stream.getvalue(), pixels, name, 8, lossy=True)
    for target in (EXPLICIT, JPEG_2000):
        made = Service(1 << 24).answer({"transcode": target}, frame.header(), frame.stored)
        shown = replace(frame, transfer_syntax_uid=target, stored=made)
        colours = "RGB" if pixels.ndim == 3 and target == EXPLICIT else name
        decoded = decode(made, of(shown, PhotometricInterpretation=colours)).pixels
        assert np.abs(decoded.astype(int) - pixels).max() < 30


def test_a_jpeg_of_four_samples_has_its_octets() -> None:
    stream = io.BytesIO()
    Image.fromarray(colour()).convert("CMYK").save(stream, "JPEG", quality=95)
    four = np.dstack([colour(), grey("u1", 8)])
    frame = Frame("CMYK", BASELINE, stream.getvalue(), four, "CMYK", 8)
    made = Service(1 << 24).answer({"transcode": EXPLICIT}, frame.header(SamplesPerPixel=4), frame.stored)
    assert len(made) == four.size


@pytest.mark.filterwarnings("ignore:Invalid value")
@pytest.mark.parametrize("name", ["monochrome2 ", "Monochrome2"])
def test_the_photometric_interpretation_may_be_in_lower_case(name: str) -> None:
    assert of(FRAMES[0], PhotometricInterpretation=name).photometric_interpretation == "MONOCHROME2"


def too_bright() -> list[Any]:
    """Frames of 12 bits in streams of more, of which loss made samples of more than 4095."""
    pixels = np.where(np.indices((64, 64)).sum(0) % 16 < 8, 4095, 0).astype(np.uint16)
    encode: dict[str, Any] = {
        JPEG_LS_NEAR: lambda p: bytes(imagecodecs.jpegls_encode(np.minimum(p + np.uint16(20), 4110), level=9)),
        JPEG_2000: lambda p: bytes(
            imagecodecs.jpeg2k_encode(p, level=30, codecformat="J2K", reversible=False, bitspersample=16)
        ),
    }
    return [Frame(uid[-2:], uid, code(pixels), pixels, "MONOCHROME2", 12, lossy=True) for uid, code in encode.items()]


@pytest.mark.parametrize("frame", too_bright(), ids=lambda f: f.name)
def test_the_brightest_of_a_lossy_frame_is_not_black(frame: Frame) -> None:
    decoded = decode(frame.stored, of(frame)).pixels
    assert decoded.max() > 4095
    assert picture(frame)[decoded >= 4000].min() > 127


def test_ten_bits_in_a_jpeg_of_twelve_are_not_masked() -> None:
    pixels = np.where(np.indices((64, 64)).sum(0) % 16 < 8, 1023, 0).astype(np.uint16)
    stored = bytes(imagecodecs.jpeg8_encode(pixels, level=60, bitspersample=12))
    frame = Frame("10 bits", EXTENDED, stored, pixels, "MONOCHROME2", 10, lossy=True)
    decoded = decode(stored, of(frame)).pixels
    assert decoded.max() > 1023
    assert picture(frame)[decoded >= 1000].min() > 230


@pytest.mark.parametrize("precision", [12, 16])
def test_signed_values_compressed_without_their_sign_keep_it(precision: int) -> None:
    """As the stored bits alone, or as all that are allocated."""
    signed = grey("i2", 12)
    stored = bytes(imagecodecs.jpegls_encode(signed.view("u2") & np.uint16((1 << precision) - 1), level=0))
    frame = Frame("signed", JPEG_LS_NEAR, stored, signed, "MONOCHROME2", 12)
    native = replace(frame, transfer_syntax_uid=EXPLICIT, stored=signed.tobytes())
    np.testing.assert_array_equal(picture(frame), picture(native))


def test_a_sign_that_the_data_set_does_not_know_is_a_bit() -> None:
    """As pydicom has it: -5 in a stream of 12 bits is 4091 where PixelRepresentation is 0."""
    unsigned = grey("u2", 12)
    in_stream = (unsigned.astype(np.int32) - 4096 * (unsigned > 2047)).astype(np.int16)
    stored = bytes(imagecodecs.jpeg2k_encode(in_stream, level=0, codecformat="J2K", reversible=True, bitspersample=12))
    frame = Frame("sign", JPEG_2000, stored, unsigned, "MONOCHROME2", 12)
    native = replace(frame, transfer_syntax_uid=EXPLICIT, stored=unsigned.tobytes())
    np.testing.assert_array_equal(picture(frame), picture(native))
