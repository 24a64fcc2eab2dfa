"""The parts of a multipart/related answer (RFC 2387), read independently of how the plugin writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import requests


@dataclass(frozen=True)
class Part:
    """What has to be equal to the stock plugin's; two answers may differ in their boundaries only."""

    content_type: str
    content_location: str
    payload: bytes


def parts_of(answer: requests.Response) -> list[Part]:
    """The parts of a 200 answer; the body has to be made of them and nothing else."""
    assert answer.status_code == 200, (answer.status_code, answer.content[:300])
    content_type = answer.headers["Content-Type"]
    found = re.fullmatch(r'multipart/related; type="([^"]+)"; boundary=([^\s;]+)', content_type)
    assert found, content_type
    parts = list(_split(answer.content, b"--" + found[2].encode()))
    assert {part.content_type for part in parts} == {found[1]}
    return parts


def _split(body: bytes, delimiter: bytes) -> Iterator[Part]:
    position = 0
    while not body.startswith(delimiter + b"--", position):
        assert body.startswith(delimiter + b"\r\n", position), body[position : position + 80]
        end = body.index(b"\r\n\r\n", position)
        headers = _headers(body[position + len(delimiter) + 2 : end].decode("latin-1"))
        position = end + 4 + int(headers["content-length"])
        yield Part(headers["content-type"], headers["content-location"], body[end + 4 : position])
        assert body.startswith(b"\r\n" + delimiter, position)
        position += 2
    assert body[position:] == delimiter + b"--\r\n"


def _headers(text: str) -> dict[str, str]:
    pairs = (line.split(": ", 1) for line in text.split("\r\n"))
    return {name.lower(): value for name, value in pairs}
