"""What is encoded without loss is decoded to the same pixels, by decoders that are not the encoder's own."""

from __future__ import annotations

import io
from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
from framecache.codecs.process.decoding import decode
from framecache.codecs.process.encoding import encode
from framecache.codecs.process.errors import Undecodable
from framecache.codecs.process.pixels import DecodedFrame, PixelDescription
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from pydicom import dcmread

from tests.unit.codecs.process.frames import Frame, Pixels, colour, frames, grey, native

EXPLICIT = "1.2.840.10008.1.2.1"
RLE = "1.2.840.10008.1.2.5"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
HTJ2K, HTJ2K_RPCL = "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202"
TARGETS = (RLE, JPEG_LS, JPEG_2000, HTJ2K, HTJ2K_RPCL)
NATIVE = list(native())
LITTLE_ENDIAN = [frame for frame in NATIVE if frame.transfer_syntax_uid == EXPLICIT]


def of(frame: Frame) -> PixelDescription:
    return PixelDescription.from_data_set(frame.data_set())


def encoded(frame: Frame, target: str) -> bytes:
    return encode(decode(frame.stored, of(frame)), of(frame), target)


@pytest.mark.parametrize("frame", [f for f in NATIVE if f.bits_stored <= 16], ids=lambda f: f.name)
@pytest.mark.parametrize("target", TARGETS)
def test_native_frames_come_back_as_they_were(frame: Frame, target: str) -> None:
    description = replace(of(frame), transfer_syntax_uid=target)
    assert np.array_equal(decode(encoded(frame, target), description).pixels, frame.pixels)


@pytest.mark.parametrize("frame", LITTLE_ENDIAN, ids=lambda f: f.name)
def test_pydicom_reads_our_rle(frame: Frame) -> None:
    stored = replace(frame, transfer_syntax_uid=RLE, stored=encoded(frame, RLE))
    assert np.array_equal(dcmread(io.BytesIO(stored.file())).pixel_array, frame.pixels)


@pytest.mark.parametrize("frame", [f for f in LITTLE_ENDIAN if f.bits_stored <= 16], ids=lambda f: f.name)
def test_openjpeg_reads_what_openjph_wrote(frame: Frame) -> None:
    assert np.array_equal(imagecodecs.jpeg2k_decode(encoded(frame, HTJ2K)), frame.pixels)


@pytest.mark.parametrize("pixels", [grey("u1", 8), colour()], ids=["grey", "RGB"])
def test_pillow_reads_our_jpeg_2000(pixels: Pixels) -> None:
    photometric = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    frame = Frame("pillow", EXPLICIT, pixels.tobytes(), pixels, photometric, 8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encoded(frame, JPEG_2000)))), pixels)


def test_jpeg_ls_begins_with_its_frame_header() -> None:
    """Not with a SPIFF header, which no reader of DICOM expects."""
    assert encoded(LITTLE_ENDIAN[1], JPEG_LS).startswith(b"\xff\xd8\xff\xf7")


@pytest.mark.parametrize(("rows", "columns"), [(40, 60), (100, 3000), (5000, 70)])
def test_htj2k_has_what_rpcl_asks_for(rows: int, columns: int) -> None:
    """PS3.5 section 10.18: progression RPCL, tile length markers, a smallest resolution of at most 64 pixels."""
    pixels = grey("u2", 12, rows, columns)
    stream = encoded(Frame("large", EXPLICIT, pixels.tobytes(), pixels, "MONOCHROME2", 12), HTJ2K_RPCL)
    coding_style = stream.index(b"\xff\x52")
    progression, levels = stream[coding_style + 5], stream[coding_style + 9]
    assert progression == 2
    assert b"\xff\x55" in stream[: stream.index(b"\xff\x90")]
    assert max(rows, columns) / 2**levels <= 64


@pytest.mark.parametrize(
    ("name", "by_plane"),
    [
        ("explicit RGB by plane", True),
        ("RLE RGB planar 1", True),
        ("JPEG-LS RGB planar 1", True),
        ("JPEG lossless RGB planar 1", False),
        ("JPEG 2000 YBR_RCT planar 1", False),
        ("RLE RGB planar 0", False),
    ],
)
def test_colour_by_plane_stays_so_where_orthanc_leaves_it(name: str, *, by_plane: bool) -> None:
    frame = next(f for f in frames() if f.name == name)
    expected = np.moveaxis(frame.pixels, 2, 0) if by_plane else frame.pixels
    assert encoded(frame, EXPLICIT) == expected.tobytes()


def test_single_bits_are_packed_again() -> None:
    bits = (grey("u1", 8, 8, 24) > 100).astype(np.uint8)
    stored = np.packbits(bits, bitorder="little").tobytes()
    frame = Frame("bits", EXPLICIT, stored, bits, "MONOCHROME2", 1, bits_allocated=1)
    assert encoded(frame, EXPLICIT) == stored
    for target in TARGETS:
        with pytest.raises(Undecodable):
            encoded(frame, target)


@pytest.mark.parametrize("target", ["1.2.840.10008.1.2.2", "1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.4.102", "x"])
def test_other_targets_are_refused(target: str) -> None:
    with pytest.raises(Undecodable, match="cannot be written"):
        encoded(LITTLE_ENDIAN[0], target)


@pytest.mark.parametrize("target", [JPEG_LS, JPEG_2000])
def test_samples_of_32_bits_are_refused_where_bits_would_be_lost(target: str) -> None:
    wide = next(frame for frame in LITTLE_ENDIAN if frame.bits_stored == 32)
    with pytest.raises(Undecodable):
        encoded(wide, target)


@settings(deadline=None, max_examples=60)
@given(
    pixels=st.sampled_from([np.uint8, np.uint16, np.int16]).flatmap(
        lambda dtype: arrays.arrays(dtype, st.tuples(st.integers(1, 20), st.integers(1, 20)))
    ),
    target=st.sampled_from(TARGETS),
)
def test_any_pixels_come_back_as_they_were(
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.int16]], target: str
) -> None:
    frame = Frame("any", EXPLICIT, pixels.tobytes(), pixels, "MONOCHROME2", 8 * pixels.itemsize)
    stream = encode(DecodedFrame(pixels, "MONOCHROME2"), of(frame), target)
    assert np.array_equal(decode(stream, replace(of(frame), transfer_syntax_uid=target)).pixels, pixels)
