"""Palettes of every layout and byte order have the colours that the standard gives them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from framecache.codecs.process.colour import Palette
from framecache.codecs.process.errors import Undecodable
from framecache.codecs.process.headers import Headers
from framecache.codecs.process.service import Service
from framecache.dicomweb.rendering_parameters import PNG, parse_rendering
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.data import get_palette_files
from pydicom.pixels.processing import apply_color_lut

from tests.unit.codecs.process.frames import Frame, Pixels, grey

EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
RAMP = np.arange(0, 256, dtype=np.uint8)
NAMES = ("Red", "Green", "Blue")


def data_set(syntax: str, tables: list[Any], descriptor: list[int], *, segmented: bool = False) -> Dataset:
    """What an instance with this palette says, read back from its file."""
    frame = Frame("palette", syntax, b"", grey("u1", 8), "PALETTE COLOR", 8)
    written = frame.data_set()
    for name, table in zip(NAMES, tables, strict=True):
        del written[f"{name}PaletteColorLookupTableData"]
        setattr(written, f"{name}PaletteColorLookupTableDescriptor", descriptor)
        setattr(written, f"{'Segmented' if segmented else ''}{name}PaletteColorLookupTableData", table)
    stream = io.BytesIO()
    dcmwrite(stream, written, enforce_file_format=True)
    return Headers().parse(stream.getvalue())[0]


def words(values: Any, syntax: str) -> bytes:
    return np.asarray(values, "<u2").astype(">u2" if syntax == BIG_ENDIAN else "<u2").tobytes()


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG_ENDIAN])
@pytest.mark.parametrize(
    ("bits", "layout"),
    [
        pytest.param(8, lambda entries: entries.view("<u2"), id="two entries of 8 bits in a word"),
        pytest.param(8, lambda entries: entries.astype("u2"), id="an entry of 8 bits in a word"),
        pytest.param(16, lambda entries: entries.astype("u2") << 8 | 0x17, id="16 bits"),
        pytest.param(12, lambda entries: entries.astype("u2") << 4 | 0xF, id="12 bits"),
    ],
)
def test_entries_are_read_in_each_byte_order(syntax: str, bits: int, layout: Any) -> None:
    tables = [RAMP, RAMP[::-1].copy(), RAMP ^ 0x55]
    palette = Palette.from_data_set(data_set(syntax, [words(layout(t), syntax) for t in tables], [256, 0, bits]))
    np.testing.assert_array_equal(palette.look_up(RAMP), np.stack(tables, axis=-1))


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG_ENDIAN])
def test_segments_are_expanded(syntax: str) -> None:
    """PS3.3 section C.7.9.2: discrete, linear, and an indirect one, whose offset is in bytes."""
    segments = [0, 2, 0, 0x1000, 1, 3, 0x4000, 2, 1, 8, 0]
    expected = [0, 0x10, 0x20, 0x30, 0x40, 0x40, 0x40, 0x40]
    given_tables = [words(segments, syntax)] * 3
    palette = Palette.from_data_set(data_set(syntax, given_tables, [8, 0, 16], segmented=True))
    np.testing.assert_array_equal(palette.look_up(np.arange(8))[:, 0], expected)


@pytest.mark.parametrize("first", [0, 5, 100])
def test_values_outside_the_table_have_the_colours_of_its_ends(first: int) -> None:
    tables = [words(np.arange(4) * 0x1000, EXPLICIT)] * 3
    palette = Palette.from_data_set(data_set(EXPLICIT, tables, [4, first, 16]))
    values = np.array([-7, first, first + 3, first + 4, 60000])
    np.testing.assert_array_equal(palette.look_up(values)[:, 1], [0, 0, 0x30, 0x30, 0x30])


def test_a_table_of_65536_entries_says_that_it_has_none() -> None:
    tables = [words(np.arange(1 << 16), EXPLICIT)] * 3
    palette = Palette.from_data_set(data_set(EXPLICIT, tables, [0, 0, 16]))
    assert palette.look_up(np.array([0xABCD])).tolist() == [[0xAB] * 3]


@pytest.mark.parametrize("path", get_palette_files("*.dcm"), ids=str)
def test_the_standards_own_palettes_are_as_pydicom_reads_them(path: str) -> None:
    palette = dcmread(path)
    np.testing.assert_array_equal(Palette.from_data_set(palette).look_up(RAMP), apply_color_lut(RAMP, palette))


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG_ENDIAN])
def test_a_picture_has_the_colours_whatever_the_byte_order(syntax: str) -> None:
    indices = grey("u1", 8)
    frame = Frame("palette", syntax, b"", indices, "PALETTE COLOR", 8)
    tables = {f"{n}PaletteColorLookupTableData": words(RAMP.astype("u2") << 8, syntax) for n in NAMES}
    head = {"render": parse_rendering({}, PNG).to_message(), "frame_number": 1}
    png = Service(1 << 24).answer(head, frame.header(**tables), indices.tobytes())
    shown: Pixels = np.asarray(Image.open(io.BytesIO(png)))
    np.testing.assert_array_equal(shown, np.stack([indices] * 3, axis=-1))


@given(
    table=st.binary(max_size=60),
    descriptor=st.lists(st.integers(0, 65535), min_size=3, max_size=3),
    segmented=st.booleans(),
)
def test_any_table_has_colours_or_is_refused(table: bytes, descriptor: list[int], *, segmented: bool) -> None:
    dataset = Dataset()
    dataset.file_meta = Frame("", EXPLICIT, b"", grey(), "", 12).data_set().file_meta
    for name in NAMES:
        setattr(dataset, f"{name}PaletteColorLookupTableDescriptor", descriptor)
        setattr(dataset, f"{'Segmented' if segmented else ''}{name}PaletteColorLookupTableData", table)
    try:
        palette = Palette.from_data_set(dataset)
    except Undecodable:
        return
    assert palette.look_up(RAMP).shape == (256, 3)
