"""The body of an answer: multipart/related by RFC 2387, laid out around frames that are read in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Fixed, so that equal answers are equal byte by byte and a strong ETag is true (RFC 9110 section 8.8.3). RFC 2046
# section 5.1.1 wants a boundary that does not occur in the parts: 60 random characters do not.
BOUNDARY = "frame-cache-8c0f6f7b0e5d4a0f9d1f3f2a6b7c5e41-d2a94c17b86e4f35"
_NEW_LINE = "\r\n"
CLOSING = f"\r\n--{BOUNDARY}--\r\n".encode()


@dataclass(slots=True)
class Part:
    """One frame of an answer: where it is said to be found (Content-Location), and its length in bytes."""

    content_location: str
    length: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything goes in a body of `length` bytes; `frame_offsets` has one entry for each part."""

    content_type: str
    length: int
    frame_offsets: tuple[int, ...]
    _texts: tuple[tuple[int, bytes], ...]

    def write_around(self, body: memoryview) -> None:
        """Write all but the frames into `body`."""
        for offset, text in self._texts:
            body[offset : offset + len(text)] = text


def content_type(frame_content_type: str) -> str:
    """The media type of a body whose parts are of this type; the stock plugin puts its parameter into the quotes."""
    return f'multipart/related; type="{frame_content_type}"; boundary={BOUNDARY}'


def lay_out(frame_content_type: str, parts: Sequence[Part]) -> Layout:
    """A multipart/related body."""
    position, texts, offsets = 0, [], []
    for index, part in enumerate(parts):
        header = part_header(frame_content_type, part, first=index == 0)
        texts.append((position, header))
        offsets.append(position + len(header))
        position += len(header) + part.length
    texts.append((position, CLOSING))
    return Layout(content_type(frame_content_type), position + len(CLOSING), tuple(offsets), tuple(texts))


def single_part(frame_content_type: str, part: Part) -> Layout:
    """A body that is the frame alone (PS3.18 section 8.7.3.3, "single part")."""
    return Layout(frame_content_type, part.length, (0,), ())


def part_header(frame_content_type: str, part: Part, *, first: bool) -> bytes:
    """What stands before a frame: the delimiter, and the stock plugin's headers in its order."""
    return header_of(frame_content_type, part.content_location, part.length, first=first)


def header_of(content_type: str, content_location: str, length: int | None, *, first: bool) -> bytes:
    """The same before anything; a `length` that is not known yet is left out."""
    return (
        f"{'' if first else _NEW_LINE}--{BOUNDARY}\r\n"
        f"Content-Location: {content_location}\r\n"
        f"Content-Type: {content_type}\r\n"
        f"{'' if length is None else f'Content-Length: {length}{_NEW_LINE}'}"
        "MIME-Version: 1.0\r\n\r\n"
    ).encode("latin-1", "replace")
