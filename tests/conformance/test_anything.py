"""Whatever is asked and whatever is stored: an answer of the table or a clear error, and never another frame."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conformance.checks import about_error, about_part
from tests.conformance.client import Client, HttpClient, Reply, parts_of, single_part
from tests.conformance.direct import Direct
from tests.conformance.protocol import LIST_CASES
from tests.conformance.shapes import SHAPES
from tests.conformance.stored import BY_NAME, FRAMES, Stored
from tests.integration.archive import Archive

SAMPLES = [BY_NAME[name] for name in ("Explicit, 12 bits in 16", "JPEG-LS, 16 bits", "JPEG Baseline, 8 bits")]
MANGLED = [
    replace(BY_NAME[name], name=f"{name}, mangled")
    for name in (
        "Explicit, 12 bits in 16",
        "Implicit, RGB by plane",
        "Big Endian, 16 bits",
        "Deflated, 16 bits",
        "RLE, 16 bits",
        "JPEG Baseline, 8 bits",
        "JPEG-LS, 16 bits",
        "JPEG 2000, 12 bits",
        "HTJ2K, 16 bits",
        "Extended Offset Table",
        "3 fragments a frame",
    )
]
STATUSES = (200, 304, 307, 400, 404, 406, 500, 503)
ANY = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

# Of what HTTP lets through: a header has no line breaks.
HEADER_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
WORDS = ("multipart/related", "image/jp2", "type", "transfer-syntax", "0.5", "*/*", "1.2.840")
PIECES = st.sampled_from([*'*/;,="q ', *WORDS])
ACCEPTS = st.one_of(
    HEADER_TEXT,
    st.lists(PIECES, max_size=15).map("".join),
    st.lists(st.sampled_from([shape.accept for shape in SHAPES if shape.accept]), max_size=4).map(", ".join),
    st.lists(st.sampled_from([shape.accept for shape in SHAPES if shape.accept]), max_size=3).map(";q=0.5,".join),
)
FRAME_LISTS = st.one_of(
    st.lists(st.integers(-1, FRAMES + 2).map(str), max_size=6).map(",".join),
    st.sampled_from([case.text for case in LIST_CASES]),
    st.text("0123456789,-%. ", max_size=12).map(quote),
    st.text(max_size=8).map(lambda text: quote(text, safe="")),
)
RESOURCES = st.one_of(
    FRAME_LISTS.map(lambda text: f"frames/{text}"),
    FRAME_LISTS.map(lambda text: f"frames/{text}/rendered"),
    st.sampled_from(["frames", "rendered", "thumbnail", "frames/", "frames//1", "frames/1/", "frames/1/x"]),
)
QUERIES = st.one_of(
    st.just(""),
    ACCEPTS.map(lambda accept: f"?accept={quote(accept, safe='')}"),
    st.builds("?{}={}".format, st.sampled_from(["window", "viewport", "quality", "accept"]), HEADER_TEXT.map(quote)),
    st.text(max_size=12).map(lambda text: "?" + quote(text, safe="=&")),
)
# Clients take a segment of dots, or of nothing, out of a path before they send it (RFC 3986 section 6.2.2.3).
UIDS = st.one_of(
    st.text("0123456789.", max_size=70), st.text(max_size=8).map(lambda text: quote(text, safe=""))
).filter(lambda text: text.strip("."))


def check(reply: Reply, stored: Stored) -> None:
    """Frames that come are those that their places name, pixel by pixel."""
    assert reply.status in STATUSES, (reply.status, reply.body[:200])
    if reply.status == 200 and reply.content_type.startswith("multipart/related"):
        for part in parts_of(reply):
            if part.transfer_syntax_uid:
                assert list(about_part(part, stored, part.transfer_syntax_uid, int(part.number))) == []
    elif reply.status in (400, 404, 406, 500, 503):
        assert b"Traceback" not in reply.body
        assert reply.body


def check_single(reply: Reply, stored: Stored, number: int) -> None:
    part = single_part(reply)
    if part.transfer_syntax_uid:
        assert list(about_part(part, stored, part.transfer_syntax_uid, number)) == []


def ask_with(client: Client, stored: Stored, accept: str, number: int) -> None:
    reply = client.get(f"{stored.path}/frames/{number}", {"Accept": accept})
    check(reply, stored)
    if reply.status == 200 and not reply.content_type.startswith("multipart/"):
        check_single(reply, stored, number)
    if reply.status in (400, 406):
        assert list(about_error(reply)) == []


@ANY
@given(st.sampled_from(SAMPLES), ACCEPTS, st.integers(1, FRAMES))
def test_any_accept(plugin: Direct, stored: Stored, accept: str, number: int) -> None:
    ask_with(plugin, stored, accept, number)
    assert plugin.errors() == []


@pytest.mark.orthanc
@ANY
@given(st.sampled_from(SAMPLES), ACCEPTS, st.integers(1, FRAMES))
def test_orthanc_survives_any_accept(client: HttpClient, stored: Stored, accept: str, number: int) -> None:
    ask_with(client, stored, accept.strip(), number)


@pytest.mark.orthanc
@ANY
@given(st.sampled_from(SAMPLES), RESOURCES, QUERIES)
def test_orthanc_survives_any_resource(client: HttpClient, stored: Stored, resource: str, query: str) -> None:
    check(client.get(f"{stored.path}/{resource}{query}"), stored)


@pytest.mark.orthanc
@ANY
@given(UIDS, UIDS, UIDS)
def test_orthanc_survives_any_uids(client: HttpClient, study: str, series: str, instance: str) -> None:
    for resource in ("frames/1", "rendered"):
        reply = client.get(f"studies/{study}/series/{series}/instances/{instance}/{resource}")
        # Orthanc decodes %2F before it looks for the route: what was meant as a UID may make it another resource.
        # 0.0 three times is what the plugin asks itself when it starts.
        is_another = "json" in reply.content_type or (study, series, instance) == ("0.0",) * 3
        assert reply.status in (400, 404) or (reply.status, is_another) == (200, True), reply.status


@st.composite
def mangled_files(draw: Callable[[st.SearchStrategy[int]], int], stored: Stored) -> bytes:
    """Cut, overwritten or repeated somewhere behind the File Meta Information; mostly within the pixel data."""
    content = bytearray(stored.file())
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(content) - 401))
        start = 400 + place if draw(st.integers(0, 3)) == 0 else len(content) - 1 - place
        length = draw(st.integers(1, 64))
        match draw(st.integers(0, 3)):
            case 0:
                content[start : start + length] = bytes([draw(st.integers(0, 255))]) * length
            case 1:
                content[start:start] = content[start : start + length]
            case 2:
                del content[start : start + length]
            case _:
                del content[start:]
        if len(content) <= 401:
            break
    return bytes(content)


VERSIONS = itertools.count(10_000)


@ANY
@given(st.data())
def test_any_mangled_file(plugin: Direct, data: st.DataObject) -> None:
    """An exception that nobody meant is counted; a frame cut short is no frame."""
    stored = data.draw(st.sampled_from(MANGLED))
    content = data.draw(mangled_files(stored))
    plugin.store(stored, content, 5000 + MANGLED.index(stored), next(VERSIONS))
    for resource in ("frames/2", "frames/1,4", "frames", "frames/3/rendered"):
        for accept in ("*/*", "multipart/related; type=application/octet-stream; transfer-syntax=*"):
            reply = plugin.get(f"{stored.path}/{resource}", {} if "rendered" in resource else {"Accept": accept})
            assert reply.status in STATUSES
            if reply.status == 200 and "rendered" not in resource:
                parts_of(reply)
    assert plugin.errors() == []


@pytest.mark.orthanc
@settings(ANY, max_examples=60)
@given(st.data())
def test_orthanc_survives_any_mangled_file(archive: Archive, client: HttpClient, data: st.DataObject) -> None:
    """What Orthanc takes in is asked of us alone: its own decoders may end the server."""
    stored = data.draw(st.sampled_from(MANGLED))
    answer = client.store(data.draw(mangled_files(stored)))
    if answer.status_code == requests.codes.ok:
        for resource in ("frames/2", "frames/1,4", "frames", "frames/3/rendered"):
            reply = client.get(f"{stored.path}/{resource}", {"Accept": "*/*"})
            assert reply.status in STATUSES
    assert archive.get("/system").status_code == 200


@pytest.mark.orthanc
def test_orthanc_is_alive_and_made_no_error(archive: Archive, client: HttpClient) -> None:
    for stored in MANGLED:
        client.store(stored.file()).raise_for_status()
        reply = client.get(f"{stored.path}/frames/2")
        assert list(about_part(parts_of(reply)[0], stored, "1.2.840.10008.1.2.1", 2)) == []
    assert archive.status()["Errors"] == 0
    assert "Traceback" not in archive.log
