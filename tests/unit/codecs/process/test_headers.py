"""The header of a stored file is parsed once, and says what the pixels are."""

from __future__ import annotations

import contextlib
import io

import pytest
from framecache.codecs.process.errors import Undecodable
from framecache.codecs.process.headers import Headers
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.sequence import Sequence

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


@pytest.mark.parametrize(
    ("syntax", "head"),
    [
        (EXPLICIT, "e07f08004f460000e8030000"),
        (EXPLICIT, "e07f09004f440000e8030000"),
        ("1.2.840.10008.1.2", "e07f0800e8030000"),
        ("1.2.840.10008.1.2.2", "7fe000084f460000000003e8"),
    ],
)
def test_the_head_of_float_pixel_data_tells_what_it_is(syntax: str, head: str) -> None:
    header = Frame("float", syntax, b"", grey("u4", 32), "MONOCHROME2", 32).header()
    assert not Headers().parse(header)[1].is_float
    assert Headers().parse(header + bytes.fromhex(head))[1].is_float


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


@pytest.mark.parametrize("syntax", [EXPLICIT, "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"])
@pytest.mark.parametrize("undefined", [False, True], ids=["lengths", "delimiters"])
def test_a_header_is_what_pydicom_reads_and_is_written_without_stray_delimiters(
    syntax: str, *, undefined: bool
) -> None:
    item = Dataset()
    item.CodeValue = "T-04000"
    item.is_undefined_length_sequence_item = undefined
    frame = Frame("nested", syntax, b"", grey(), "MONOCHROME2", 12)
    written = frame.data_set(ConceptNameCodeSequence=Sequence([item, item]))
    written["ConceptNameCodeSequence"].is_undefined_length = undefined
    stream = io.BytesIO()
    dcmwrite(stream, written, enforce_file_format=True)
    theirs = dcmread(io.BytesIO(stream.getvalue()))

    ours, _ = Headers().parse(stream.getvalue())

    sequence = ours.get_item("ConceptNameCodeSequence")
    assert b"\xdd\xe0" not in sequence.value
    assert b"\xe0\xdd" not in sequence.value
    assert list(ours) == list(theirs)
