"""The body of a multipart/related answer (RFC 2387)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

_NEW_LINE = "\r\n"


@dataclass(frozen=True)
class Multipart:
    """A body whose parts have one media type and do not contain `uuid`.

    The boundary may not occur in a part (RFC 2046 section 5.1.1), so who makes a file may not know it. It is of the
    UUID that Orthanc gave the file when it was stored: equal answers are equal byte by byte, after a restart as well,
    and a strong ETag is true (RFC 9110 section 8.8.3).
    """

    part_type: str
    uuid: str

    @cached_property
    def boundary(self) -> str:
        """The boundary between the parts."""
        return f"frame-cache-{self.uuid}"

    @cached_property
    def content_type(self) -> str:
        """The media type of the body; the stock plugin puts the parts' parameter into the quotes."""
        return f'multipart/related; type="{self.part_type}"; boundary={self.boundary}'

    @cached_property
    def closing(self) -> bytes:
        """The delimiter after the last part."""
        return f"\r\n--{self.boundary}--\r\n".encode()

    def header(self, location: str, length: int | None, *, first: bool = True, part_type: str = "") -> bytes:
        """The bytes before a part: the delimiter, and the stock plugin's headers in its order.

        `location` is where the part is said to be found, or "". `length` is its bytes, which may not be known yet. A
        part that is not like the others is of `part_type`.
        """
        return (
            f"{'' if first else _NEW_LINE}--{self.boundary}\r\n"
            f"{f'Content-Location: {location}{_NEW_LINE}' if location else ''}"
            f"Content-Type: {part_type or self.part_type}\r\n"
            f"{'' if length is None else f'Content-Length: {length}{_NEW_LINE}'}"
            "MIME-Version: 1.0\r\n\r\n"
        ).encode("latin-1", "replace")
