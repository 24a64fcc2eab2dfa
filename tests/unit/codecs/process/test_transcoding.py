"""Every form from every stored form: what is made of a frame shows what the frame shows, by more than one decoder."""

from __future__ import annotations

import io
from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
from framecache.codecs.process.colour import true_colour
from framecache.codecs.process.decoding import decode
from framecache.codecs.process.errors import Unwritable
from framecache.codecs.process.pixels import PixelDescription
from framecache.codecs.process.service import Service
from framecache.codecs.targets import (
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS_SV1,
    LOSSLESS_TARGETS,
    LOSSY_TARGETS,
    NATIVE_TARGETS,
    RLE,
)
from framecache.dicom.transfer_syntax import lookup
from PIL import Image
from pydicom import dcmread

from tests.unit.codecs.process.frames import Frame, Pixels, colour, frames, grey

EXPLICIT = "1.2.840.10008.1.2.1"
FRAMES = list(frames())
COLOUR = [frame for frame in FRAMES if frame.samples_per_pixel == 3 and not frame.mislabelled]
# Of 255: two transforms between colour spaces round, and JPEG of quality 95 loses.
MOST_BY_ROUNDING, MOST_BY_LOSS, MEAN_BY_LOSS = 3, 40, 2.0


def transcode(frame: Frame, target: str) -> Frame:
    """The frame in the target syntax, under the data set that a client has: the stored one's."""
    made = Service(1 << 24).answer({"transcode": target, "frame_number": 1}, frame.header(), frame.stored)
    return replace(frame, transfer_syntax_uid=target, stored=made)


def shown(frame: Frame) -> Pixels:
    """The stored bits of grey, or red, green and blue."""
    description = PixelDescription.from_data_set(frame.data_set())
    decoded = decode(frame.stored, description)
    if frame.samples_per_pixel == 1:
        return decoded.pixels << (8 * decoded.pixels.itemsize - frame.bits_stored)
    return true_colour(decoded.pixels, decoded.photometric_interpretation, frame.bits_stored)


def difference(one: Pixels, other: Pixels) -> Pixels:
    return np.abs(one.astype(np.int64) - other.astype(np.int64))


def has_room(frame: Frame, target: str) -> bool:
    """What PS3.5 sections 8.2.1 to 8.2.4 let the target hold."""
    if target == RLE:
        return True
    if target in LOSSY_TARGETS:
        depths = [(1, 8)] if target == JPEG_BASELINE else [(1, 8), (2, 12)]
        is_indexed = frame.photometric_interpretation == "PALETTE COLOR"
        is_signed = frame.pixels.dtype.kind == "i"
        return (frame.pixels.itemsize, frame.bits_stored) in depths and not is_signed and not is_indexed
    return frame.bits_stored <= 16 or lookup(target).media_type == "image/jphc"


@pytest.mark.parametrize("frame", FRAMES, ids=lambda f: f.name)
def test_forms_without_loss_show_what_is_stored(frame: Frame) -> None:
    most = MOST_BY_ROUNDING if frame.photometric_interpretation.startswith("YBR_FULL") else 0
    for target in LOSSLESS_TARGETS:
        if has_room(frame, target):
            assert difference(shown(transcode(frame, target)), shown(frame)).max() <= most, target
        else:
            with pytest.raises(Unwritable):
                transcode(frame, target)


@pytest.mark.parametrize("frame", FRAMES, ids=lambda f: f.name)
def test_forms_with_loss_are_near_what_is_stored(frame: Frame) -> None:
    unused = 8 * (frame.pixels.itemsize - 1) if frame.samples_per_pixel == 1 else 0
    for target in LOSSY_TARGETS:
        if has_room(frame, target):
            unequal = difference(shown(transcode(frame, target)) >> unused, shown(frame) >> unused)
            assert unequal.max() <= MOST_BY_LOSS, target
            assert unequal.mean() <= MEAN_BY_LOSS, target
        else:
            with pytest.raises(Unwritable):
                transcode(frame, target)


@pytest.mark.parametrize("frame", FRAMES, ids=lambda f: f.name)
def test_both_little_endians_have_the_same_pixels(frame: Frame) -> None:
    explicit, implicit = (transcode(frame, target).stored for target in NATIVE_TARGETS)
    assert explicit == implicit


@pytest.mark.parametrize("frame", [f for f in COLOUR if not f.name.endswith("bare")], ids=lambda f: f.name)
def test_those_who_go_by_the_markers_of_a_jpeg_see_the_same_colours(frame: Frame) -> None:
    """As browsers do, and wsidicom: by Pillow, or by imagecodecs that is told nothing."""
    stored = transcode(frame, JPEG_BASELINE).stored
    for seen in (np.asarray(Image.open(io.BytesIO(stored)).convert("RGB")), imagecodecs.jpeg8_decode(stored)):
        unequal = difference(seen, shown(frame))
        assert unequal.max() <= MOST_BY_LOSS
        assert unequal.mean() <= MEAN_BY_LOSS


@pytest.mark.filterwarnings("ignore:The .* 'Photometric Interpretation' value")
@pytest.mark.parametrize("frame", COLOUR, ids=lambda f: f.name)
@pytest.mark.parametrize("target", [JPEG_BASELINE, JPEG_2000_LOSSLESS, RLE])
def test_pydicom_shows_the_same_colours(frame: Frame, target: str) -> None:
    """It goes by the data set, warned by the markers; the Planar Configuration of what is compressed is 0."""
    made = replace(transcode(frame, target), planar_configuration=0)
    unequal = difference(dcmread(io.BytesIO(made.file())).pixel_array, shown(frame))
    assert unequal.max() <= MOST_BY_LOSS
    assert unequal.mean() <= MEAN_BY_LOSS


@pytest.mark.parametrize("frame", [f for f in FRAMES if f.bits_stored <= 16], ids=lambda f: f.name)
def test_another_decoder_reads_our_lossless_jpeg(frame: Frame) -> None:
    made = transcode(frame, JPEG_LOSSLESS_SV1)
    # Samples as they are, of whatever colours.
    description = replace(PixelDescription.from_data_set(made.data_set()), photometric_interpretation="RGB")
    samples = decode(made.stored, description).pixels
    assert np.array_equal(imagecodecs.jpegsof3_decode(made.stored).view(samples.dtype), samples)


@pytest.mark.parametrize(("pixels", "called"), [(grey("u1", 8), "RGB"), (colour(), "MONOCHROME2")])
def test_samples_of_another_number_than_their_name_says_go_into_every_form(pixels: Pixels, called: str) -> None:
    frame = Frame("called", EXPLICIT, pixels.tobytes(), pixels, called, 8)
    for target in (*LOSSLESS_TARGETS, *LOSSY_TARGETS):
        decoded = decode(
            transcode(frame, target).stored,
            replace(PixelDescription.from_data_set(frame.data_set()), transfer_syntax_uid=target),
        )
        assert difference(decoded.pixels, pixels).max() <= (MOST_BY_LOSS if target in LOSSY_TARGETS else 0), target


def test_what_lies_above_the_stored_bits_is_no_part_of_a_lossy_form() -> None:
    pixels = grey("u2", 12)
    frame = Frame("overlays", EXPLICIT, (pixels | 0xF000).tobytes(), pixels, "MONOCHROME2", 12)
    assert difference(imagecodecs.jpeg8_decode(transcode(frame, JPEG_EXTENDED).stored), pixels).max() < 200


def test_bits_that_are_not_the_lowest_are_not_compressed_with_loss() -> None:
    pixels = grey("u2", 12)
    header = Frame("high", EXPLICIT, b"", pixels, "MONOCHROME2", 12).header(HighBit=15)
    with pytest.raises(Unwritable, match="lowest"):
        Service(1 << 24).answer({"transcode": JPEG_EXTENDED}, header, (pixels << 4).tobytes())


@pytest.mark.parametrize("target", [*LOSSLESS_TARGETS, *LOSSY_TARGETS])
def test_single_bits_are_not_compressed(target: str) -> None:
    bits = (grey("u1", 8, 8, 24) > 100).astype(np.uint8)
    stored = np.packbits(bits, bitorder="little").tobytes()
    with pytest.raises(Unwritable):
        transcode(Frame("bits", EXPLICIT, stored, bits, "MONOCHROME2", 1, bits_allocated=1), target)


@pytest.mark.parametrize("target", LOSSLESS_TARGETS)
def test_native_chrominance_of_pairs_goes_into_every_form(target: str) -> None:
    stored = np.random.default_rng(1).integers(0, 256, (4, 8), np.uint8).tobytes()
    frame = Frame("422", EXPLICIT, stored, colour(4, 4), "YBR_FULL_422", 8)
    assert np.array_equal(shown(transcode(frame, target)), shown(frame))
