"""What Orthanc's Python plugin decodes without any Python function above it, and what Python code decodes."""

from __future__ import annotations

import _thread
import codecs
import json
import time
from collections import deque
from collections.abc import Iterator

import pytest
from framecache.orthanc.request_text import take_any_bytes


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    take_any_bytes()
    yield
    codecs.register_error("strict", codecs.strict_errors)


def decoded_by_the_host(*texts: bytes) -> list[str]:
    """As a thread does that runs no Python function."""
    found: deque[str] = deque()
    _thread.start_new_thread(found.extend, (map(bytes.decode, texts),))
    give_up = time.monotonic() + 10
    while len(found) < len(texts) and time.monotonic() < give_up:
        time.sleep(0.001)
    return list(found)


def test_a_name_in_latin_1_reaches_the_routes() -> None:
    assert decoded_by_the_host(b"M\xfcller", "Müller".encode(), b"\xff\xfe") == [
        "M\N{REPLACEMENT CHARACTER}ller",
        "Müller",
        "\N{REPLACEMENT CHARACTER}" * 2,
    ]


def test_what_python_code_decodes_stays_strict() -> None:
    with pytest.raises(UnicodeDecodeError):
        b"M\xfcller".decode()
    with pytest.raises(UnicodeDecodeError):
        json.loads(b'{"name": "M\xfcller"}')
    with pytest.raises(UnicodeEncodeError):
        "\ud800".encode()
