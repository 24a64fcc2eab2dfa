"""Headers as some writers have them: frames are found behind them, and the helpers read the same elements."""

from __future__ import annotations

import contextlib
import struct
import time
import tracemalloc

import pytest
from framecache.codecs.process.errors import Undecodable
from framecache.codecs.process.headers import Headers
from framecache.dicom.byte_reader import MemoryReader
from framecache.dicom.data_set import end_of_file_meta, read_header, read_transfer_syntax_uid
from framecache.dicom.pixel_data import locate_frames
from framecache.errors import FrameCacheError, NoPixelData, UnreadableHeader
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.dicom_files import BIG_ENDIAN, EXPLICIT, IMPLICIT, JPEG_2000, encapsulated, native

PIXELS = bytes(range(72))
FRAMES = [PIXELS[i : i + 24] for i in (0, 24, 48)]
SYNTAXES = (EXPLICIT, IMPLICIT, BIG_ENDIAN)
WHOLE = {syntax: native(PIXELS, syntax) for syntax in SYNTAXES}
UNDEFINED = 0xFFFFFFFF


def order_of(syntax: str) -> str:
    return ">" if syntax == BIG_ENDIAN else "<"


def explicit(tag: int, vr: bytes, value: bytes, *, order: str = "<", is_long: bool = False) -> bytes:
    head = struct.pack(order + "HH2s", tag >> 16, tag & 0xFFFF, vr)
    return head + (struct.pack(order + "2xL", len(value)) if is_long else struct.pack(order + "H", len(value))) + value


def implicit(tag: int, value: bytes, *, order: str = "<", length: int | None = None) -> bytes:
    return struct.pack(order + "HHL", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


def meta(syntax: str) -> bytes:
    """The File Meta Information of a file, without its preamble."""
    content = WHOLE[syntax]
    return content[132 : end_of_file_meta(content)]


def at_start(syntax: str, more: bytes) -> bytes:
    """`more` between the File Meta Information and the data set."""
    start = end_of_file_meta(WHOLE[syntax])
    return WHOLE[syntax][:start] + more + WHOLE[syntax][start:]


def before_image(syntax: str, more: bytes) -> bytes:
    """`more` between the patient's group and the image's."""
    start = WHOLE[syntax].index(struct.pack(order_of(syntax) + "HH", 0x0028, 0x0002))
    return WHOLE[syntax][:start] + more + WHOLE[syntax][start:]


def uid(text: str) -> bytes:
    return text.encode() + b"\0" * (len(text) % 2)


ANOTHER = explicit(0x00020010, b"UI", uid(JPEG_2000))
AGAIN = explicit(0x00020000, b"UL", struct.pack("<L", len(ANOTHER))) + ANOTHER
PRIVATE = 0x00111010
IMPLICIT_ITEMS = (
    implicit(0xFFFEE000, implicit(0x00080100, b"CODE") + implicit(0x0040A043, b"", length=0), length=UNDEFINED)
    + implicit(0xFFFEE00D, b"")
    + implicit(0xFFFEE0DD, b"")
)
IN_ITEMS = implicit(0x00111010, IMPLICIT_ITEMS, length=UNDEFINED)
NESTED = implicit(0xFFFEE000, IN_ITEMS, length=UNDEFINED) + implicit(0xFFFEE00D, b"") + implicit(0xFFFEE0DD, b"")


def private_sequence(syntax: str, items: bytes) -> bytes:
    """UN of undefined length, whose items are in Implicit VR Little Endian in every transfer syntax (CP-246)."""
    order = order_of(syntax)
    return struct.pack(order + "HH2s2xL", PRIVATE >> 16, PRIVATE & 0xFFFF, b"UN", UNDEFINED) + items


IMPOSSIBLE = {
    "question marks, short": explicit(PRIVATE, b"??", b"four"),
    "question marks, long": explicit(PRIVATE, b"??", b"four" * 20_000, is_long=True),
    "zeros, short": explicit(PRIVATE, b"\0\0", b"four"),
    "blanks, long": explicit(PRIVATE, b"  ", b"four", is_long=True),
    "small letters, short": explicit(PRIVATE, b"lo", b"four"),
    "small letters, long": explicit(PRIVATE, b"ob", b"four", is_long=True),
    "of a later edition": explicit(PRIVATE, b"ZZ", b"four", is_long=True),
    "capitals, short": explicit(PRIVATE, b"XX", b"four"),
    "no VR": implicit(PRIVATE, b"four"),
    "no VR and no value": implicit(PRIVATE, b""),
    "several": b"".join(explicit(PRIVATE + i, b"??", b"four") for i in range(5)),
    "several long": b"".join(explicit(PRIVATE + i, b"--", b"four", is_long=True) for i in range(5)),
    "several without VR": b"".join(implicit(PRIVATE + i, b"four" * i) for i in range(5)),
}
ODD = {
    **{f"group 0002 again, {syntax}": (syntax, at_start(syntax, AGAIN)) for syntax in SYNTAXES},
    "group 0002 again in implicit VR": (IMPLICIT, at_start(IMPLICIT, implicit(0x00020010, uid(JPEG_2000)))),
    "group 0002 again without a length": (EXPLICIT, at_start(EXPLICIT, ANOTHER)),
    "group 0002 again, whole": (EXPLICIT, at_start(EXPLICIT, meta(EXPLICIT))),
    "group 0002 in the midst": (EXPLICIT, before_image(EXPLICIT, AGAIN)),
    "group 0002 in the midst, implicit": (IMPLICIT, before_image(IMPLICIT, implicit(0x00020010, uid(JPEG_2000)))),
    **{f"impossible VR: {name}": (EXPLICIT, before_image(EXPLICIT, odd)) for name, odd in IMPOSSIBLE.items()},
    "impossible VR, Big Endian": (BIG_ENDIAN, before_image(BIG_ENDIAN, explicit(PRIVATE, b"??", b"four", order=">"))),
    **{
        f"private items, {syntax}": (syntax, before_image(syntax, private_sequence(syntax, IMPLICIT_ITEMS)))
        for syntax in (EXPLICIT, BIG_ENDIAN)
    },
    **{
        f"nested private items, {syntax}": (syntax, before_image(syntax, private_sequence(syntax, NESTED)))
        for syntax in (EXPLICIT, BIG_ENDIAN)
    },
}


def renamed(content: bytes, old: str, new: str) -> bytes:
    """Another transfer syntax in the File Meta Information, and its lengths with it."""
    start = end_of_file_meta(content)
    value = explicit(0x00020010, b"UI", uid(new))
    head = content[144:start].replace(explicit(0x00020010, b"UI", uid(old)), value, 1)
    return content[:132] + explicit(0x00020000, b"UL", struct.pack("<L", len(head))) + head + content[start:]


ODD["Implicit VR named explicit"] = (EXPLICIT, renamed(WHOLE[IMPLICIT], IMPLICIT, EXPLICIT))
ODD["Explicit VR named implicit"] = (IMPLICIT, renamed(WHOLE[EXPLICIT], EXPLICIT, IMPLICIT))


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_frames_are_found_behind_odd_headers_and_the_helpers_read_the_same(odd: tuple[str, bytes]) -> None:
    syntax, content = odd
    reader = MemoryReader(content)
    assert read_transfer_syntax_uid(reader) == syntax

    table = locate_frames(reader, syntax, None)
    found = []
    for index in range(table.number_of_frames):
        frame = bytearray(table.place(index, reader).length)
        table.place(index, reader).read_into(reader, memoryview(frame))
        found.append(bytes(frame))
    data_set, description = Headers().parse(content[: table.header_length])

    assert found == FRAMES
    assert (description.rows, description.columns, description.transfer_syntax_uid) == (4, 6, syntax)
    assert (data_set.NumberOfFrames, data_set.PatientName) == (3, "Synthetic")


@pytest.mark.parametrize("size", [300_000, 3_000_000])
def test_a_document_is_seen_to_have_no_pixel_data_without_reading_it_whole(size: int) -> None:
    start = end_of_file_meta(WHOLE[EXPLICIT])
    document = WHOLE[EXPLICIT][:start] + explicit(0x00420011, b"OB", bytes(size), is_long=True)

    class Counting(MemoryReader):
        read = 0

        def read_at(self, offset: int, length: int) -> bytes:
            self.read += length
            return super().read_at(offset, length)

    reader = Counting(document)
    with pytest.raises(NoPixelData):
        read_header(reader, EXPLICIT)
    assert reader.read <= 1 << 18


@pytest.mark.parametrize("kind", ["at the top", "in items"])
def test_a_header_of_nothing_but_tiny_elements_ends_with_an_error_of_ours(kind: str) -> None:
    """Of 8 bytes each, and each of another tag: what is remembered of them is bounded."""
    start = end_of_file_meta(WHOLE[IMPLICIT])
    tiny = b"".join(struct.pack("<HHL", 0x0009 + (i >> 16), i & 0xFFFF, 0) for i in range(60_000))
    if kind == "in items":
        tiny = implicit(0x00091010, implicit(0xFFFEE000, tiny, length=UNDEFINED), length=UNDEFINED)
    content = WHOLE[IMPLICIT][:start] + tiny
    tracemalloc.start()
    started = time.thread_time()
    try:
        with pytest.raises(UnreadableHeader):
            read_header(MemoryReader(content), IMPLICIT)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(content) + (32 << 20)
    assert time.thread_time() - started < 60


@st.composite
def element_like(draw: st.DrawFn) -> bytes:
    """Bytes that look like elements, more or less."""
    group = draw(st.sampled_from([0x0002, 0x0008, 0x0009, 0x0028, 0x7FE0, 0xFFFE]) | st.integers(0, 0xFFFF))
    number = draw(st.sampled_from([0, 0x0010, 0x1010, 0xE000, 0xE00D, 0xE0DD]) | st.integers(0, 0xFFFF))
    vrs = [b"OB", b"UN", b"SQ", b"US", b"UI", b"??", b"ZZ", b"\0\0"]
    vr = draw(st.sampled_from(vrs) | st.binary(min_size=2, max_size=2))
    length = draw(st.sampled_from([0, 2, 4, 8, UNDEFINED]) | st.integers(0, UNDEFINED))
    order = draw(st.sampled_from("<>"))
    forms = [
        struct.pack(order + "HHL", group, number, length),
        struct.pack(order + "HH2sH", group, number, vr, length & 0xFFFF),
        struct.pack(order + "HH2s2xL", group, number, vr, length),
    ]
    return draw(st.sampled_from(forms)) + draw(st.binary(max_size=12))


@settings(max_examples=500)
@given(
    st.sampled_from(SYNTAXES),
    st.lists(element_like(), max_size=20),
    st.sampled_from(["alone", "before the image"]),
    st.none() | st.integers(0, 900),
)
def test_any_elements_are_a_header_or_one_of_our_errors(
    syntax: str, elements: list[bytes], place: str, offset: int | None
) -> None:
    """The reader ends, and so do the helpers on what it found."""
    more = b"".join(elements)
    content = before_image(syntax, more) if place == "before the image" else b"\0" * 128 + b"DICM" + more
    with contextlib.suppress(FrameCacheError):
        table = locate_frames(MemoryReader(content), syntax, offset)
        assert 0 < table.header_length <= len(content)
        with contextlib.suppress(Undecodable):
            Headers().parse(content[: table.header_length])


def test_an_encapsulated_file_with_group_0002_again_is_of_the_first_transfer_syntax() -> None:
    content = encapsulated([b"", b"a" * 8, b"b" * 8], NumberOfFrames=2)
    start = end_of_file_meta(content)
    odd = content[:start] + explicit(0x00020010, b"UI", uid(EXPLICIT)) + content[start:]

    assert locate_frames(MemoryReader(odd), JPEG_2000, None).frames_present == 2
    assert read_transfer_syntax_uid(MemoryReader(odd)) == JPEG_2000
