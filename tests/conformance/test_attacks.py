"""What an attacker would send, byte by byte, to a real Orthanc: an error of the client's in JSON, never of ours.

Some of it the server's own parser refuses, by an answer of its own or by none; then nothing of ours has seen it.
"""

from __future__ import annotations

import http.client
import json
import socket
import struct
import time
from dataclasses import dataclass, replace
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conformance.client import HttpClient, Reply
from tests.conformance.direct import Direct
from tests.conformance.stored import BY_NAME, FRAMES, Stored
from tests.integration.archive import Archive

pytestmark = pytest.mark.orthanc

SAMPLE = BY_NAME["Explicit, 12 bits in 16"]
ANY = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
REFUSED = (400, 404, 406, 413, 414, 431)
MOST_SECONDS = 15.0  # on a busy machine; what grows with the square of the length takes minutes


@dataclass(frozen=True)
class Target:
    """One port."""

    port: int

    def send(self, path: bytes, *headers: bytes) -> Reply | None:
        """The answer to exactly these bytes, or None where the server closes the connection without one."""
        lines = [b"GET " + path + b" HTTP/1.1", b"Host: here", b"Connection: close", *headers, b"", b""]
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            try:
                connection.sendall(b"\r\n".join(lines))
                answer = http.client.HTTPResponse(connection)
                answer.begin()
            except (ConnectionError, http.client.BadStatusLine):
                return None
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, names, answer.read())


@pytest.fixture(scope="session")
def target(archive: Archive) -> Target:
    return Target(archive.server.port)


def path_to(*resource: bytes, stored: Stored = SAMPLE) -> bytes:
    return b"/dicom-web/" + stored.path.encode() + b"".join(b"/" + part for part in resource)


def check(reply: Reply | None, *sent: bytes) -> None:
    """An answer, or an error of the client's that says why; `sent` is what may not be UTF-8."""
    if reply is None or reply.status in (200, 304, 307):
        return
    if reply.status == 500 and not all(map(is_text, sent)):
        # Orthanc's Python plugin makes texts of a request before it calls any script, and can make none of these.
        assert json.loads(reply.body)["Message"] == "Internal error"
        return
    assert reply.status in REFUSED, (reply.status, reply.body[:300])
    if b"HttpStatus" in reply.body:
        assert json.loads(reply.body)["Message"]


def is_text(sent: bytes) -> bool:
    try:
        unquote_to_bytes(sent).decode()
        sent.decode()
    except UnicodeDecodeError:
        return False
    return True


def check_refused(reply: Reply | None) -> None:
    assert reply is None or reply.status in REFUSED, (reply.status, reply.body[:300])
    check(reply)


LONG = {
    "ones": b"1," * 32_000 + b"1",
    "one number": b"1" * 64_000,
    "commas": b"1" + b"," * 64_000,
    "all numbers": b",".join(b"%d" % number for number in range(1, 12_000)),
    "escaped commas": b"1%2C" * 16_000 + b"1",
}


@pytest.mark.parametrize("kind", LONG)
@pytest.mark.parametrize("end", [b"", b"/rendered"])
def test_a_list_of_64_kilobytes(target: Target, kind: str, end: bytes) -> None:
    started = time.monotonic()
    check_refused(target.send(path_to(b"frames", LONG[kind]) + end))
    assert time.monotonic() - started < MOST_SECONDS


DEEP = {
    "ranges": b", ".join(b'multipart/related; type="image/x-%d"; q=0.5' % number for number in range(1200)),
    "parameters": b"multipart/related" + b"; a=b" * 12_000,
    "quotes": b'multipart/related; type="' + b'\\"' * 30_000 + b'"',
    "nested quotes": b'multipart/related; type="' * 2500 + b'"' * 2500,
    "open quotes": b'multipart/related; type="' * 2500,
    "semicolons": b"*/*" + b";" * 60_000,
    "commas": b"," * 60_000 + b"*/*",
    "blanks": b"*/*" + b" " * 60_000 + b";",
    "brackets": b"(" * 30_000 + b")" * 30_000,
    "zeros": b"*/*;q=0." + b"0" * 60_000,
    "just below the limit": b"multipart/related" + b' ; a="' * 1360,
}


@pytest.mark.parametrize("kind", DEEP)
@pytest.mark.parametrize("resource", [(b"frames", b"1"), (b"frames", b"1", b"rendered"), ()])
def test_a_huge_or_deeply_nested_accept(target: Target, kind: str, resource: tuple[bytes, ...]) -> None:
    started = time.monotonic()
    check(target.send(path_to(*resource), b"Accept: " + DEEP[kind]))
    check(target.send(path_to(*resource) + b"?accept=" + DEEP[kind].replace(b" ", b"+").replace(b"#", b"")))
    assert time.monotonic() - started < 2 * MOST_SECONDS


EVIL = st.one_of(
    st.sampled_from(
        [
            b"..",
            b"../..",
            b"../../../../../../etc/passwd",
            b"..%2f..%2f..%2fetc%2fpasswd",
            b"%2e%2e",
            b"%2e%2e%2f" * 8 + b"etc%2fpasswd",
            b"%252e%252e%252f",
            b"..\\..\\",
            b"%c0%ae%c0%ae%c0%af",
            b"%00",
            b"1.2%00.3",
            b"%0d%0aX-Injected:%201",
            b"%",
            b"%zz",
            b"%u002e",
            b"*",
            b"1.2.*",
            b"~",
            b"$(id)",
            b"';--",
            b"\xff\xfe",
            "é".encode(),
            b"%C3%A9",
            b"%EF%BC%91",  # a digit, but not of ASCII
            b"%D9%A1",
            b"1" * 65,
            b"1" * 5000,
            b".",
            b"-1",
            b"1e3",
            b"0x1",
            b"",
        ]
    ),
    # What separates the parts of a request is left out: without it this would not be one path.
    st.binary(max_size=12).map(lambda text: text.translate(None, b" \r\n?#")),
)
PLACES = range(4)
WHERE = (b"studies", b"series", b"instances", b"frames")


@ANY
@given(st.lists(st.tuples(st.sampled_from(PLACES), EVIL), min_size=1, max_size=3), st.sampled_from([b"", b"/rendered"]))
def test_any_bytes_in_any_part_of_a_path(target: Target, evil: list[tuple[int, bytes]], end: bytes) -> None:
    parts = [uid.encode() for uid in (SAMPLE.uid("study"), SAMPLE.uid("series"), SAMPLE.uid("instance"))] + [b"1"]
    for place, text in evil:
        parts[place] = text
    path = b"/dicom-web" + b"".join(b"/%s/%s" % pair for pair in zip(WHERE, parts, strict=True)) + end
    reply = target.send(path, b"Accept: */*")
    check(reply, path)
    if reply is not None:
        assert b"root:" not in reply.body
        assert "x-injected" not in reply.headers


@ANY
@given(
    st.sampled_from([b"accept", b"window", b"viewport", b"quality", b"x"]), EVIL, st.sampled_from([b"", b"/rendered"])
)
def test_any_bytes_in_a_query(target: Target, name: bytes, evil: bytes, end: bytes) -> None:
    reply = target.send(path_to(b"frames", b"1") + end + b"?" + name + b"=" + evil)
    check(reply, evil)
    if reply is not None:
        assert "x-injected" not in reply.headers


@ANY
@given(
    st.sampled_from([b"Accept", b"If-None-Match", b"Host", b"Forwarded", b"X-Forwarded-Host"]), st.binary(max_size=80)
)
def test_any_bytes_in_a_header(target: Target, name: bytes, value: bytes) -> None:
    for resource in ((b"frames", b"1"), (b"frames", b"1", b"rendered")):
        check(target.send(path_to(*resource), name + b": " + value.replace(b"\n", b"")), value)


def nested(stored: Stored, levels: int, *, closed: bool = True) -> bytes:
    """Its file with so many sequences of undefined length in one another before its pixel data."""
    content = stored.file()
    pixel_data = content.rindex(b"\xe0\x7f\x10\x00OW")
    begin = struct.pack("<HH2sHLHHL", 0x0040, 0x0555, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
    end = struct.pack("<HHLHHL", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    return content[:pixel_data] + begin * levels + (end * levels if closed else b"") + content[pixel_data:]


@pytest.mark.parametrize(("levels", "closed"), [(65, True), (10_000, True), (1_000_000, False)])
def test_sequences_nested_deeply_cost_neither_stack_nor_time(plugin: Direct, levels: int, *, closed: bool) -> None:
    """Asked of the plugin alone: whether Orthanc's own parser survives them is another question."""
    stored = replace(SAMPLE, name="nested deeply")
    plugin.store(stored, nested(stored, levels, closed=closed), 7000, 7000 + levels)
    started = time.monotonic()
    for resource in ("frames/1", "frames", "rendered"):
        assert plugin.get(f"{stored.path}/{resource}").status == 500
    assert time.monotonic() - started < MOST_SECONDS
    assert plugin.errors() == []


def test_orthanc_serves_what_it_took_in_with_sequences_in_sequences(client: HttpClient) -> None:
    """Its own parser needs more stack than an HTTP thread has from about 50 on, and ends the server."""
    stored = replace(SAMPLE, name="nested")
    client.store(nested(stored, 20)).raise_for_status()
    assert client.get(f"{stored.path}/frames/{FRAMES}").status == 200


def test_orthanc_is_alive_and_nothing_of_it_was_an_error_of_ours(archive: Archive, target: Target) -> None:
    reply = target.send(path_to(b"frames", b"1"), b"Accept: */*")
    assert reply is not None
    assert reply.status == 200
    assert archive.status()["Errors"] == 0
    assert "Traceback" not in archive.log
