"""What Orthanc's Python plugin decodes without any Python function above it, and what Python code decodes."""

from __future__ import annotations

import _thread
import codecs
import json
import sqlite3
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

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
    give_up = time.monotonic() + 60
    while len(found) < len(texts) and time.monotonic() < give_up:
        time.sleep(0.001)
    return list(found)


def test_a_name_in_latin_1_reaches_the_routes() -> None:
    assert decoded_by_the_host(b"M\xfcller", "Müller".encode(), b"\xff\xfe") == [
        "M\N{REPLACEMENT CHARACTER}ller",
        "Müller",
        "\N{REPLACEMENT CHARACTER}" * 2,
    ]


BAD = b"M\xfcller"


def read_text(folder: Path) -> None:
    folder.joinpath("name").write_bytes(BAD)
    folder.joinpath("name").read_text(encoding="utf-8")


def decode_on_a_thread(_: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(bytes.decode, BAD).result()


def read_from_a_child(_: Path) -> None:
    command = "import sys; sys.stdout.buffer.write(bytes([0xfc]))"
    subprocess.run([sys.executable, "-c", command], stdout=subprocess.PIPE, encoding="utf-8", check=True)


def read_from_sqlite(_: Path) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.text_factory = bytes.decode
        connection.execute("SELECT CAST(x'4dfc' AS TEXT)").fetchone()


@pytest.mark.parametrize(
    "decode",
    [
        lambda _: BAD.decode(),
        lambda _: str(BAD, "utf-8", "strict"),
        lambda _: list(map(bytes.decode, [BAD])),
        lambda _: json.loads(b'{"name": "' + BAD + b'"}'),
        lambda _: codecs.getincrementaldecoder("utf-8")().decode(BAD),
        lambda _: compile(b"name = '" + BAD + b"'", "name", "exec"),
        read_text,
        decode_on_a_thread,
        read_from_a_child,
        read_from_sqlite,
    ],
)
def test_what_python_code_decodes_stays_strict(decode: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises((UnicodeDecodeError, SyntaxError)):
        decode(tmp_path)


def test_encoding_stays_strict() -> None:
    with pytest.raises(UnicodeEncodeError):
        "\ud800".encode()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("encoding", ["ascii", "utf-16", "shift_jis"])
def test_other_codecs_stay_strict(encoding: str) -> None:
    found: deque[str] = deque()
    _thread.start_new_thread(found.extend, (map(bytes.decode, [b"M\xfc\xff"], [encoding]),))
    time.sleep(0.2)
    assert not found
