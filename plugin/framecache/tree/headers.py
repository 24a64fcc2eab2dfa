"""What a bucket says of an object over HTTP."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Headers:
    """What a bucket says of an object to those who read it over HTTP; a folder leaves that to its web server."""

    content_type: str = "application/octet-stream"
    content_encoding: str = ""

    @property
    def attributes(self) -> dict[str, str]:
        encoding = {"Content-Encoding": self.content_encoding} if self.content_encoding else {}
        return {"Content-Type": self.content_type, **encoding}
