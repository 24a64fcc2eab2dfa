"""Messages come through the pipe as they were, and nothing else is taken for one."""

from __future__ import annotations

import io

import pytest
from framecache.codecs.process.protocol import LARGEST_HEAD, MAGIC, PREFIX_SIZE, ProtocolError, pack, read_message
from hypothesis import given
from hypothesis import strategies as st

LARGEST_FRAME = 1000
HEADS = st.dictionaries(st.text(max_size=10), st.none() | st.booleans() | st.integers() | st.text(max_size=10))


@given(HEADS, st.binary(max_size=100), st.binary(max_size=100))
def test_a_message_is_read_as_it_was_written(head: dict[str, object], header: bytes, frame: bytes) -> None:
    stream = io.BytesIO(pack(head, header, frame) + header + frame)
    assert read_message(stream, LARGEST_FRAME) == (head, header, frame)
    assert read_message(stream, LARGEST_FRAME) is None


@given(st.binary(min_size=1, max_size=100))
def test_what_is_no_message_is_refused(content: bytes) -> None:
    for bytes_read in (content, MAGIC + content):
        with pytest.raises(ProtocolError):
            read_message(io.BytesIO(bytes_read), LARGEST_FRAME)


@given(st.integers(min_value=1, max_value=60))
def test_a_message_that_breaks_off_is_refused(length: int) -> None:
    message = pack({"transcode": "1.2.3"}, b"header", b"frame") + b"headerframe"
    with pytest.raises(ProtocolError):
        read_message(io.BytesIO(message[: min(length, len(message) - 1)]), LARGEST_FRAME)


def test_lengths_are_bounded_before_anything_is_read() -> None:
    message = pack({}, b"", b"x" * (LARGEST_FRAME + 1))
    with pytest.raises(ProtocolError, match="too long"):
        read_message(io.BytesIO(message), LARGEST_FRAME)
    with pytest.raises(ProtocolError, match="too long"):
        pack({"long": "x" * LARGEST_HEAD})


@pytest.mark.parametrize("text", [b"[]", b"{", b"\xff\xfe"])
def test_a_head_that_is_no_json_object_is_refused(text: bytes) -> None:
    message = bytearray(pack({}))
    message[4:8] = len(text).to_bytes(4, "little")
    with pytest.raises(ProtocolError, match="head"):
        read_message(io.BytesIO(bytes(message[:PREFIX_SIZE]) + text), LARGEST_FRAME)
