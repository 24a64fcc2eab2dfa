"""The header of a stored file is parsed once, and says what the pixels are."""

from __future__ import annotations

import contextlib

import pytest
from framecache.codecs.process.errors import Undecodable
from framecache.codecs.process.headers import Headers
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.codecs.process.frames import Frame, frames, grey

FRAMES = list(frames())
EXPLICIT = "1.2.840.10008.1.2.1"


@pytest.mark.parametrize("frame", FRAMES, ids=lambda f: f.name)
def test_a_header_in_its_own_transfer_syntax_is_read(frame: Frame) -> None:
    data_set, description = Headers().parse(frame.header())
    assert description.shape == frame.pixels.shape
    assert description.transfer_syntax_uid == frame.transfer_syntax_uid
    assert data_set.PhotometricInterpretation == frame.photometric_interpretation


def test_the_same_header_is_parsed_once_and_few_are_kept() -> None:
    headers = Headers()
    first, *others = (frame.header() for frame in FRAMES[:6])
    data_set, _ = headers.parse(first)
    assert headers.parse(bytes(bytearray(first)))[0] is data_set
    for other in others:
        headers.parse(other)
    assert headers.parse(first)[0] is not data_set


@pytest.mark.parametrize(("vr", "size"), [(b"OB", 1), (b"OW", 2), (b"OF", 4), (b"OD", 8)])
def test_the_head_of_big_endian_pixel_data_tells_its_words(vr: bytes, size: int) -> None:
    frame = Frame("big endian", "1.2.840.10008.1.2.2", b"", grey("u1", 8), "MONOCHROME2", 8)
    header = frame.header() + bytes.fromhex("7fe00010") + vr + bytes(2) + (1000).to_bytes(4, "big")
    _, description = Headers().parse(header)
    assert description.word_size == size


@given(st.binary(max_size=300))
def test_what_is_no_header_is_refused(content: bytes) -> None:
    with pytest.raises(Undecodable):
        Headers().parse(content)


@pytest.mark.filterwarnings("ignore:Invalid value")
@given(cut=st.integers(0, 600))
def test_a_header_that_breaks_off_is_refused_or_still_describes_the_image(cut: int) -> None:
    frame = Frame("cut", EXPLICIT, b"", grey(), "MONOCHROME2", 12)
    header = frame.header()
    with contextlib.suppress(Undecodable):
        _, description = Headers().parse(header[: max(0, len(header) - cut)])
        assert description.shape == frame.pixels.shape


def test_what_is_said_of_a_broken_header_holds_none_of_its_values() -> None:
    header = Frame("broken", EXPLICIT, b"", grey(), "MONOCHROME2", 12).header()
    broken = header.replace(b"SYNTHETIC ", b"SYNTHETIC\xff").replace(b"US\x02\x00", b"US\x03\x00")
    with pytest.raises(Undecodable) as caught:
        Headers().parse(broken)
    assert "SYNTHETIC" not in str(caught.value).upper()
