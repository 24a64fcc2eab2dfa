"""Bodies by RFC 2387, read back by the standard library."""

from __future__ import annotations

import email
import email.policy
from email.message import Message

import pytest
from framecache.dicomweb import multipart
from framecache.dicomweb.multipart import (
    BOUNDARY,
    CLOSING,
    Layout,
    Part,
    content_type,
    lay_out,
    part_header,
    single_part,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.multipart_body import split

TYPE = "image/jp2; transfer-syntax=1.2.840.10008.1.2.4.90"
LOCATION = "http://pacs/dicom-web/studies/1/series/2/instances/3/frames/"
AWKWARD = [b"", b"x", b"\r\n", b"--", b"\r\n--frame-cache", b"\r\n\r\n", bytes(range(256)), b"\n" * 3]


def parts_of(frames: list[bytes]) -> list[Part]:
    return [Part(f"{LOCATION}{number}", len(frame)) for number, frame in enumerate(frames, 1)]


def filled(layout: Layout, frames: list[bytes]) -> bytes:
    body = bytearray(b"\xaa" * layout.length)
    layout.write_around(memoryview(body))
    for offset, frame in zip(layout.frame_offsets, frames, strict=True):
        body[offset : offset + len(frame)] = frame
    return bytes(body)


def parsed(content_type: str, body: bytes) -> list[Message]:
    message = email.message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    assert not message.defects
    return list(message.walk())[1:]


@pytest.mark.parametrize("frames", [[b"frame"], [b"one", b"two", b"three"], AWKWARD, [b"same", b"same"]])
def test_a_body_is_read_back_part_by_part(frames: list[bytes]) -> None:
    layout = lay_out(TYPE, parts_of(frames))
    body = filled(layout, frames)

    assert layout.content_type == f'multipart/related; type="{TYPE}"; boundary={BOUNDARY}'
    assert [frame for _, frame in split(body)] == frames
    for number, (part, frame) in enumerate(zip(parsed(layout.content_type, body), frames, strict=True), 1):
        assert part["Content-Type"] == TYPE
        assert part["Content-Location"] == f"{LOCATION}{number}"
        assert part["Content-Length"] == str(len(frame))
        assert part["MIME-Version"] == "1.0"


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=6))
def test_every_byte_of_the_body_is_written(frames: list[bytes]) -> None:
    layout = lay_out(TYPE, parts_of(frames))
    body = filled(layout, frames)

    assert len(body) == layout.length
    covered = sum(len(text) for _, text in layout._texts) + sum(map(len, frames))
    assert covered == layout.length
    for offset, frame in zip(layout.frame_offsets, frames, strict=True):
        assert body[offset : offset + len(frame)] == frame


def test_equal_answers_are_equal_bytes() -> None:
    frames = [b"a", b"b"]

    assert filled(lay_out(TYPE, parts_of(frames)), frames) == filled(lay_out(TYPE, parts_of(frames)), frames)


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5))
def test_chunks_make_the_same_body(frames: list[bytes]) -> None:
    parts = parts_of(frames)
    chunks = [
        part_header(TYPE, part, first=index == 0) + frame
        for index, (part, frame) in enumerate(zip(parts, frames, strict=True))
    ]

    assert b"".join(chunks) + CLOSING == filled(lay_out(TYPE, parts), frames)
    assert lay_out(TYPE, parts).content_type == content_type(TYPE)


def test_the_boundary_is_one_by_rfc_2046() -> None:
    """Section 5.1.1: 70 characters at most; these need no quotes (RFC 2045 section 5.1)."""
    assert len(BOUNDARY) <= 70
    assert set(BOUNDARY) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_a_single_part_is_the_frame_alone() -> None:
    layout = single_part(TYPE, Part(LOCATION + "1", 7))

    assert (layout.content_type, layout.length, layout.frame_offsets) == (TYPE, 7, (0,))
    assert filled(layout, [b"a frame"]) == b"a frame"


@pytest.mark.parametrize("host", ["bücher", "日本", "\ud800", "a b"])
def test_no_host_name_breaks_the_body(host: str) -> None:
    layout = multipart.lay_out(TYPE, [Part(f"http://{host}/frames/1", 3)])

    assert [frame for _, frame in split(filled(layout, [b"abc"]))] == [b"abc"]
