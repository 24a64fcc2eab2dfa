"""What compressed frames say of themselves is read, and what they cannot be is refused."""

from __future__ import annotations

import contextlib
import struct

import pytest
from framecache.codecs.process.codestream import Geometry, check_tile_parts, code_stream, of_jpeg_2000
from framecache.codecs.process.errors import Undecodable
from framecache.codecs.process.jpeg import JpegHeader
from framecache.dicom.transfer_syntax import lookup
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.codecs.process.frames import Frame, frames

FRAMES = list(frames())
JPEGS = [f for f in FRAMES if lookup(f.transfer_syntax_uid).media_type in ("image/jpeg", "image/jls")]
JPEG_2000S = [f for f in FRAMES if lookup(f.transfer_syntax_uid).media_type in ("image/jp2", "image/jphc")]


def expected(frame: Frame) -> Geometry:
    rows, columns, *_ = frame.pixels.shape
    return Geometry(rows, columns, frame.samples_per_pixel)


@pytest.mark.parametrize("frame", JPEGS, ids=lambda f: f.name)
def test_the_size_of_a_jpeg_is_read(frame: Frame) -> None:
    assert JpegHeader.parse(frame.stored).geometry == expected(frame)


@pytest.mark.parametrize("frame", JPEG_2000S, ids=lambda f: f.name)
def test_the_size_and_the_end_of_a_jpeg_2000_are_read(frame: Frame) -> None:
    assert of_jpeg_2000(frame.stored) == expected(frame)
    check_tile_parts(frame.stored)
    with pytest.raises(Undecodable, match="cut short"):
        check_tile_parts(frame.stored[:-10])


@pytest.mark.parametrize("frame", JPEG_2000S, ids=lambda f: f.name)
@pytest.mark.parametrize("missing", [1, 2, 3, 40])
def test_a_tile_part_that_goes_on_until_the_end_has_an_end(frame: Frame, missing: int) -> None:
    """Its length is given as 0 (ISO/IEC 15444-1 A.4.2)."""
    start = frame.stored.rindex(b"\xff\x90\x00\x0a")
    endless = frame.stored[: start + 6] + bytes(4) + frame.stored[start + 10 :]
    check_tile_parts(endless)
    check_tile_parts(endless + b"\0")
    with pytest.raises(Undecodable, match="cut short"):
        check_tile_parts(endless.rstrip(b"\0")[:-missing])


def siz(*axes: int) -> bytes:
    """A code stream that begins with these: Xsiz, Ysiz, XOsiz, YOsiz, XTsiz, YTsiz, XTOsiz, YTOsiz."""
    return b"\xff\x4f\xff\x51" + struct.pack(">HH8LHB", 41, 0, *axes, 1, 7)


@pytest.mark.parametrize(
    ("axes", "geometry"),
    [
        ((60, 46, 0, 0, 60, 46, 0, 0), Geometry(46, 60, 1)),
        ((60, 46, 0, 0, 16, 16, 0, 0), Geometry(46, 60, 1)),
        ((70, 56, 10, 10, 64, 64, 5, 5), Geometry(46, 60, 1)),
        ((60, 46, 0, 0, 16, 16, 8, 0), None),
        ((60, 46, 0, 0, 0, 16, 0, 0), None),
        ((60, 46, 60, 0, 16, 16, 0, 0), None),
        ((60, 46, 20, 0, 16, 16, 0, 0), None),
        ((60000, 60000, 0, 0, 1, 1, 0, 0), None),
        ((0, 0, 0, 0, 0, 0, 0, 0), None),
    ],
)
def test_tiles_have_to_cover_the_image(axes: tuple[int, ...], geometry: Geometry | None) -> None:
    if geometry is not None:
        assert of_jpeg_2000(siz(*axes)) == geometry
        return
    with pytest.raises(Undecodable, match="tiles"):
        of_jpeg_2000(siz(*axes))


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\x4f\xff\x51"]))
def test_any_bytes_are_read_or_refused(content: bytes, start: bytes) -> None:
    for read in (JpegHeader.parse, of_jpeg_2000, code_stream, check_tile_parts):
        with contextlib.suppress(Undecodable):
            read(start + content)
