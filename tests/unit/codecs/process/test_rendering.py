"""Pictures of frames, against what PS3.3 says in formulas and what the geometry has to keep."""

from __future__ import annotations

import math
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
from framecache.codecs.process.errors import Undecodable
from framecache.codecs.process.pixels import DecodedFrame, PixelDescription
from framecache.codecs.process.rendering import draw, render
from framecache.dicomweb.rendering_parameters import JPEG, PNG, RenderingParameters, Viewport, Window, parse_rendering
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

Pixels = npt.NDArray[Any]
SLOPE = np.arange(0, 4000, 10, dtype=np.uint16).reshape(20, 20)


def data_set(pixels: Pixels, **tags: Any) -> Dataset:
    """What an instance with frames like `pixels` says of them."""
    bits = pixels.itemsize * 8
    dataset = Dataset()
    defaults = {
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "SamplesPerPixel": 3 if pixels.ndim == 3 else 1,
        "PhotometricInterpretation": "RGB" if pixels.ndim == 3 else "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    }
    for keyword, value in {**defaults, **tags}.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def picture(pixels: Pixels, query: dict[str, str] | None = None, /, *, frame_number: int = 1, **tags: Any) -> Pixels:
    """The picture of `pixels` with these query arguments."""
    dataset = data_set(pixels, **tags)
    decoded = DecodedFrame(pixels, PixelDescription.from_data_set(dataset).photometric_interpretation)
    return draw(dataset, decoded, frame_number, parse_rendering(query or {}, PNG))


def linear(x: float, c: float, w: float) -> float:
    """PS3.3 section C.11.2.1.2.1, to the letter."""
    if x <= c - 0.5 - (w - 1) / 2:
        return 0
    if x > c - 0.5 + (w - 1) / 2:
        return 255
    return ((x - (c - 0.5)) / (w - 1) + 0.5) * 255


def sigmoid(x: float, c: float, w: float) -> float:
    """PS3.3 section C.11.2.1.3.1."""
    return 255 / (1 + math.exp(min(-4 * (x - c) / w, 700)))


@pytest.mark.parametrize("function", [linear, sigmoid])
@pytest.mark.parametrize(("center", "width"), [(1500, 2000), (-100, 300), (2047.5, 4095), (1000, 1), (50.5, 20.25)])
def test_a_window_is_the_standards_function(function: Any, center: float, width: float) -> None:
    drawn = picture(SLOPE, {"window": f"{center},{width},{function.__name__}"})
    expected = [math.floor(function(float(x), center, width) + 0.5) for x in SLOPE.flat]
    assert np.abs(drawn.astype(int).ravel() - expected).max() <= 1  # of rounding in 32 bits


def test_linear_exact_lacks_the_half_width_as_in_the_stock_plugin() -> None:
    drawn = picture(SLOPE, {"window": "2000,1000,linear-exact"})
    x = SLOPE.astype(float)
    expected = np.where(x <= 1500, 0, np.where(x > 2500, 255, np.clip((x - 2000) / 1000 * 255, 0, 255)))
    assert np.abs(drawn - expected).max() <= 1


def test_without_a_window_the_region_is_stretched_from_black_to_white() -> None:
    drawn = picture(SLOPE, WindowCenter=100, WindowWidth=20)
    assert (drawn[0, 0], drawn[-1, -1]) == (0, 255)
    region = picture(SLOPE, {"viewport": "5,5,0,10,5,5"})
    assert (region.min(), region.max()) == (0, 255)


def test_a_window_is_in_units_after_the_rescale() -> None:
    hounsfield: dict[str, Any] = {"RescaleSlope": "2", "RescaleIntercept": "-1024"}
    drawn = picture(SLOPE, {"window": "0,1000,linear"}, **hounsfield)
    np.testing.assert_array_equal(drawn, picture(SLOPE.astype(np.int16) * 2 - 1024, {"window": "0,1000,linear"}))


@pytest.mark.parametrize(
    ("tags", "frame_number", "slope"),
    [
        ({}, 1, 1),
        ({"RescaleSlope": "2", "RescaleIntercept": "0"}, 1, 2),
        ({"RescaleSlope": "2"}, 1, 1),
        ({"groups": [2, 3]}, 2, 3),
        ({"groups": [2, 3]}, 3, 1),
        ({"groups": [2, 3], "RescaleSlope": "4", "RescaleIntercept": "0"}, 2, 4),
    ],
)
def test_the_rescale_is_the_data_sets_or_else_the_frames(tags: dict[str, Any], frame_number: int, slope: int) -> None:
    groups = [transformed(factor) for factor in tags.pop("groups", ())]
    if groups:
        tags["PerFrameFunctionalGroupsSequence"] = groups
    drawn = picture(SLOPE, {"window": "2000,3000,linear"}, frame_number=frame_number, **tags)
    np.testing.assert_array_equal(drawn, picture(SLOPE * slope, {"window": "2000,3000,linear"}))


@pytest.mark.parametrize(
    "tags",
    [
        {"RescaleSlope": ["2", "3"]},
        {"RescaleSlope": None},
        {"PerFrameFunctionalGroupsSequence": []},
        {"PerFrameFunctionalGroupsSequence": [Dataset()]},
    ],
)
def test_an_incomplete_rescale_is_none(tags: dict[str, Any]) -> None:
    drawn = picture(SLOPE, {"window": "2000,3000,linear"}, RescaleIntercept="7", **tags)
    np.testing.assert_array_equal(drawn, picture(SLOPE, {"window": "2000,3000,linear"}))


def transformed(slope: float) -> Dataset:
    group, item = Dataset(), Dataset()
    item.RescaleSlope, item.RescaleIntercept = slope, 0
    group.PixelValueTransformationSequence = [item]
    return group


def test_monochrome1_is_inverted_inside_the_picture_only() -> None:
    query = {"viewport": "40,20", "window": "2000,3000,sigmoid"}
    plain, inverted = picture(SLOPE, query), picture(SLOPE, query, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(inverted[:, 10:30], 255 - plain[:, 10:30])
    assert not inverted[:, :10].any()


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
def test_samples_of_every_size_are_drawn_alike(dtype: str) -> None:
    pixels = (np.arange(300 * 300).reshape(300, 300) % 100).astype(dtype)
    np.testing.assert_array_equal(picture(pixels), picture(pixels.astype(np.uint32)))


def test_bits_that_are_not_stored_are_not_shown_and_the_sign_is() -> None:
    signed = SLOPE.astype(np.int16) // 2 - 1000
    twelve: dict[str, Any] = {"BitsStored": 12, "HighBit": 11}
    np.testing.assert_array_equal(picture(signed & 0xFFF, **twelve), picture(signed))
    np.testing.assert_array_equal(picture(SLOPE | 0xF000, **twelve), picture(SLOPE))
    np.testing.assert_array_equal(picture(SLOPE << 4 | 0xF, BitsStored=12, HighBit=15), picture(SLOPE))


@pytest.mark.parametrize("photometric_interpretation", ["MONOCHROME1", "MONOCHROME2"])
def test_a_frame_of_one_value_is_one_level(photometric_interpretation: str) -> None:
    drawn = picture(np.full((4, 4), 700, np.uint16), PhotometricInterpretation=photometric_interpretation)
    assert set(drawn.flat) == {255 if photometric_interpretation == "MONOCHROME1" else 0}


def test_colour_is_not_windowed() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (9, 7, 3), np.uint8)
    np.testing.assert_array_equal(picture(rgb, {"window": "10,10,linear"}, WindowCenter=3, WindowWidth=2), rgb)
    np.testing.assert_array_equal(picture(rgb.astype(np.uint16) * 257), rgb)


@pytest.mark.parametrize(
    ("ybr", "rgb"), [((255, 128, 128), (255, 255, 255)), ((76, 84, 255), (254, 0, 0)), ((0, 128, 128), (0, 0, 0))]
)
def test_ybr_full_becomes_rgb(ybr: tuple[int, ...], rgb: tuple[int, ...]) -> None:
    drawn = picture(np.full((2, 2, 3), ybr, np.uint8), PhotometricInterpretation="YBR_FULL")
    assert np.abs(drawn.astype(int) - rgb).max() <= 1


def test_a_palette_is_looked_up_even_where_a_viewport_shows_nothing() -> None:
    tags: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, factor in {"Red": 1, "Green": 2, "Blue": 3}.items():
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [4, 0, 16]
        tags[f"{name}PaletteColorLookupTableData"] = (np.arange(4, dtype="<u2") * 0x1000 * factor).tobytes()
    indices = np.array([[0, 1], [2, 3]], np.uint8)
    np.testing.assert_array_equal(picture(indices, **tags)[1, 1], [0x30, 0x60, 0x90])
    assert not picture(indices, {"viewport": "3,3,9,9,1,1"}, **tags).any()


@pytest.mark.parametrize(
    ("pixels", "tags"),
    [
        (np.zeros((2, 2, 3), np.uint8), {"PhotometricInterpretation": "YBR_PARTIAL_422"}),
        (np.zeros((2, 2, 4), np.uint8), {"PhotometricInterpretation": "CMYK", "SamplesPerPixel": 4}),
        (np.zeros((2, 2), np.uint8), {"PhotometricInterpretation": "PALETTE COLOR"}),
    ],
)
def test_what_is_not_known_is_not_drawn(pixels: Pixels, tags: dict[str, Any]) -> None:
    with pytest.raises(Undecodable):
        picture(pixels, **tags)


@pytest.mark.filterwarnings("ignore:Invalid value")
@pytest.mark.parametrize("name", ["RGB", "YBR_FULL", "YBR_FULL_422", "monochrome2", "MONOCHROME3"])
def test_one_sample_is_grey_whatever_it_is_called(name: str) -> None:
    np.testing.assert_array_equal(picture(SLOPE, PhotometricInterpretation=name), picture(SLOPE))


@pytest.mark.filterwarnings("ignore:Invalid value")
@pytest.mark.parametrize("name", ["MONOCHROME1", "MONOCHROME2", "rgb"])
def test_three_samples_that_are_called_grey_are_colours(name: str) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (9, 7, 3), np.uint8)
    np.testing.assert_array_equal(picture(rgb, PhotometricInterpretation=name), rgb)


@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 3)])
def test_what_loss_made_brighter_than_the_brightest_is_not_black(shape: tuple[int, ...]) -> None:
    pixels = np.zeros(shape, np.uint16)
    pixels[0], pixels[1] = 4095, 4100
    drawn = draw(
        data_set(pixels, BitsStored=12, HighBit=11),
        DecodedFrame(pixels, "RGB" if pixels.ndim == 3 else "MONOCHROME2", whole_samples=True),
        1,
        parse_rendering({}, PNG),
    )
    assert drawn[0].min() >= 254
    assert drawn[1].min() == 255


def test_a_region_is_cut_flipped_and_centred() -> None:
    pixels = np.arange(16, dtype=np.uint8).reshape(4, 4) * 17
    window = {"window": "128,256,linear"}
    np.testing.assert_array_equal(picture(pixels, {"viewport": "2,2,1,1,2,2", **window}), pixels[1:3, 1:3])
    np.testing.assert_array_equal(picture(pixels, {"viewport": "4,4,0,0,-4,4", **window}), pixels[:, ::-1])
    np.testing.assert_array_equal(picture(pixels, {"viewport": "4,4,0,0,4,-4", **window}), pixels[::-1])
    np.testing.assert_array_equal(picture(pixels, {"viewport": "2,2", **window}), pixels[1::2, 1::2])
    wide = picture(pixels, {"viewport": "8,4", **window})
    np.testing.assert_array_equal(wide[:, 2:6], pixels)
    assert not wide[:, [0, 1, 6, 7]].any()


def test_encoded_pictures_are_of_the_type_and_quality_asked_for() -> None:
    dataset = data_set(SLOPE)
    decoded = DecodedFrame(SLOPE, "MONOCHROME2")
    sizes = [len(render(dataset, decoded, 1, parse_rendering({"quality": q}, JPEG).to_message())) for q in ("1", "100")]
    assert sizes[0] < sizes[1]
    png = render(dataset, decoded, 1, parse_rendering({}, PNG).to_message())
    np.testing.assert_array_equal(imagecodecs.png_decode(png), picture(SLOPE))


@pytest.mark.parametrize("shape", [(1, 65535), (65535, 1)])
@pytest.mark.parametrize("media_type", [JPEG, PNG])
def test_the_longest_frames_have_pictures(shape: tuple[int, int], media_type: str) -> None:
    pixels = np.zeros(shape, np.uint8)
    encoded = render(
        data_set(pixels), DecodedFrame(pixels, "MONOCHROME2"), 1, parse_rendering({}, media_type).to_message()
    )
    assert (imagecodecs.jpeg_decode if media_type == JPEG else imagecodecs.png_decode)(encoded).shape == shape


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_made() -> None:
    with pytest.raises(Undecodable):
        picture(np.zeros((60000, 1), np.uint8), {"viewport": "16384,"})


SIZE = st.none() | st.integers(1, 40)
VIEWPORTS = st.builds(
    Viewport, SIZE, SIZE, st.integers(0, 30), st.integers(0, 30), SIZE, SIZE, st.booleans(), st.booleans()
)
WINDOWS = st.builds(
    Window, st.floats(-1e38, 1e38), st.floats(1e-30, 1e38), st.sampled_from(["linear", "linear-exact", "sigmoid"])
)
FRAMES = st_numpy.arrays(
    st.sampled_from(["u1", "u2", "i2", "u4"]), st.tuples(st.integers(1, 20), st.integers(1, 20))
) | st_numpy.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3)))


@given(pixels=FRAMES, window=st.none() | WINDOWS, viewport=st.none() | VIEWPORTS, png=st.booleans())
def test_any_frame_has_a_picture_of_the_size_asked_for(
    pixels: Pixels, window: Window | None, viewport: Viewport | None, *, png: bool
) -> None:
    parameters = RenderingParameters(PNG if png else JPEG, None if png else 90, window, viewport)
    dataset = data_set(pixels)
    decoded = DecodedFrame(pixels, dataset.PhotometricInterpretation)
    encoded = render(dataset, decoded, 1, parameters.to_message())
    shown = (imagecodecs.png_decode if png else imagecodecs.jpeg_decode)(encoded)
    asked = viewport or Viewport()
    size = (asked.height or pixels.shape[0], asked.width or pixels.shape[1])
    assert shown.shape == (*size, *pixels.shape[2:])
