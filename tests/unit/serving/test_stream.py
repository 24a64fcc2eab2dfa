"""Long answers: a client sees where one ends too early."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from framecache.serving.sending import send_stream

from tests.unit.fakes import FakeOutput


def chunks(*contents: bytes, fails: bool = False) -> Iterator[memoryview]:
    yield from (memoryview(content) for content in contents)
    if fails:
        raise ValueError("cut short")


def test_a_known_length_goes_before_the_chunks() -> None:
    output = FakeOutput()
    send_stream(output, "text/plain", chunks(b"one", b"", b"three"), 8)
    assert output.headers == {"Content-Length": "8"}
    assert (output.content_type, b"".join(output.chunks)) == ("text/plain", b"onethree")


def test_without_one_the_chunks_tell_their_own() -> None:
    output = FakeOutput()
    send_stream(output, "text/plain", chunks(b"0123456789abcdef", b"", b"2"), None)
    assert output.headers == {"Transfer-Encoding": "chunked"}
    assert b"".join(output.chunks) == b"10\r\n0123456789abcdef\r\n1\r\n2\r\n0\r\n\r\n"


@pytest.mark.parametrize("length", [8, None])
def test_what_breaks_off_has_no_end(length: int | None) -> None:
    output = FakeOutput()
    with pytest.raises(ValueError, match="cut short"):
        send_stream(output, "text/plain", chunks(b"one", fails=True), length)
    assert b"".join(output.chunks) in (b"one", b"3\r\none\r\n")
