"""What HTTP asks for, and answers too long or too many to be held."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import product
from urllib.parse import urlsplit

import pytest
import requests

from tests.conformance.client import Client, HttpClient, accepting, parts_of, with_parameter
from tests.conformance.direct import Direct
from tests.conformance.shapes import SHAPES, related
from tests.conformance.stored import BY_NAME, EXPLICIT, Stored, grey
from tests.integration.archive import Archive, Endings, running, wait_until

NATIVE, JPEG_LS = BY_NAME["Explicit, 12 bits in 16"], BY_NAME["JPEG-LS, 16 bits"]
# What else a slide's tiles are encoded in.
TILES = [BY_NAME[name] for name in ("JPEG Baseline, YBR_FULL_422", "JPEG 2000, YBR_RCT", "HTJ2K, RPCL")]
OCTETS, HTJ2K = related("application/octet-stream"), related("image/jphc")
RESOURCES = ("frames/2", "frames/1,2", "frames", "frames/2/rendered", "rendered", "thumbnail", "frames/2/thumbnail")
# 2 MB a frame; asked for again and again they fill any memory.
LARGE = Stored("large frames", EXPLICIT, grey("u2", 12, 1000, 1000), lambda pixels: pixels.tobytes())
LONG = ",".join("1234" * 3)  # 24 MB
SETTINGS = {"MaximumMemoryMB": 64, "MaximumAnswerMB": 1, "CacheControl": "private, max-age=60"}


def check_validators(client: Client) -> None:
    """RFC 9110 sections 8.8.3, 13.1.2 and 15.4.5."""
    for stored, resource in (*product([NATIVE], RESOURCES), *product(TILES, ["frames/2"])):
        path, of = f"{stored.path}/{resource}", (stored.name, resource)
        first, again = client.get(path), client.get(path)
        tag = first.headers["etag"]
        assert tag.startswith('"'), of
        assert (again.headers["etag"], again.body) == (tag, first.body), of
        assert first.headers["vary"] == "Accept"
        assert first.headers["cache-control"] == "private, no-cache"
        for known in (tag, f'"x", {tag}', f"W/{tag}", "*"):
            reply = client.get(path, {"If-None-Match": known})
            assert (reply.status, reply.body, reply.headers["etag"]) == (304, b"", tag), of
        assert client.get(path, {"If-None-Match": '"x"'}).status == 200
        assert client.get(path, {"If-None-Match": tag, "Accept": "image/gif"}).status == 406


def check_tags_differ(client: Client) -> None:
    """Equal tags mean equal bytes, whatever was asked for; and the tag of one form does not confirm another."""
    bodies: dict[str, bytes] = {}
    for stored in (NATIVE, JPEG_LS):
        for shape in SHAPES:
            for resource in ("frames/1", "frames/2", "frames/1,2", "frames/2,1", "frames"):
                path = with_parameter(f"{stored.path}/{resource}", shape.parameter)
                reply = client.get(path, accepting(shape.accept))
                if reply.status == 200:
                    assert bodies.setdefault(reply.headers["etag"], reply.body) == reply.body
    assert len(bodies) > 20
    explicit = client.get(f"{NATIVE.path}/frames/2", {"Accept": OCTETS}).headers["etag"]
    assert client.get(f"{NATIVE.path}/frames/2", {"Accept": HTJ2K, "If-None-Match": explicit}).status == 200


def test_a_tag_is_of_one_representation(plugin: Direct) -> None:
    check_validators(plugin)
    check_tags_differ(plugin)


@pytest.mark.orthanc
def test_orthanc_sends_a_tag_of_one_representation(client: HttpClient) -> None:
    check_validators(client)
    check_tags_differ(client)


@pytest.fixture(scope="module")
def bounded(suite: str, tmp_path_factory: pytest.TempPathFactory, endings: Endings) -> Iterator[Archive]:
    """An Orthanc that holds little."""
    configuration = {"KeepAlive": True, "FrameCache": SETTINGS}
    with running(suite, tmp_path_factory.mktemp("bounded") / "orthanc", configuration, endings=endings) as archive:
        for stored in (NATIVE, LARGE):
            HttpClient(archive.server.url).store(stored.file()).raise_for_status()
        yield archive


@pytest.mark.orthanc
@pytest.mark.parametrize("frame_list", ["", "4,1,1,3", LONG])
def test_answers_too_long_to_hold_are_streamed_with_the_same_parts(bounded: Archive, frame_list: str) -> None:
    resource = f"frames/{frame_list}" if frame_list else "frames"
    reply = HttpClient(bounded.server.url).get(f"{LARGE.path}/{resource}")
    numbers = [int(text) for text in (frame_list or "1,2,3,4").split(",")]
    assert "content-length" not in reply.headers
    assert [(int(part.number), part.payload) for part in parts_of(reply)] == [
        (number, LARGE.encoded[number - 1]) for number in numbers
    ]


@pytest.mark.orthanc
def test_a_streamed_answer_has_the_tag_of_its_parts_too(bounded: Archive) -> None:
    client = HttpClient(bounded.server.url)
    tag = client.get(f"{LARGE.path}/frames").headers["etag"]
    assert client.get(f"{LARGE.path}/frames", {"If-None-Match": tag}).status == 304


@pytest.mark.orthanc
def test_cache_control_is_the_setting_s(bounded: Archive) -> None:
    client = HttpClient(bounded.server.url)
    for resource in RESOURCES:
        assert client.get(f"{NATIVE.path}/{resource}").headers["cache-control"] == "private, max-age=60"


@pytest.fixture(scope="module")
def small(suite: str, tmp_path_factory: pytest.TempPathFactory, endings: Endings) -> Iterator[Archive]:
    """An Orthanc whose answers in flight may hold 64 MB."""
    configuration = {"KeepAlive": True, "FrameCache": {"MaximumMemoryMB": 64}}
    with running(suite, tmp_path_factory.mktemp("small") / "orthanc", configuration, endings=endings) as archive:
        HttpClient(archive.server.url).store(LARGE.file()).raise_for_status()
        yield archive


@pytest.mark.orthanc
def test_readers_too_slow_and_too_many_are_503_and_then_served_again(small: Archive) -> None:
    url = f"{small.server.url}/dicom-web/{LARGE.path}/frames/{LONG}"
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(slow_reader(url))
        with ThreadPoolExecutor(2) as pool:  # each waits some seconds for room
            small_answers = list(pool.map(lambda _: requests.get(url, timeout=60), range(2)))
        assert [answer.status_code for answer in small_answers] == [503, 503]
        assert all(int(answer.headers["Retry-After"]) > 0 for answer in small_answers)
        assert small_answers[0].json()["HttpStatus"] == 503
    wait_until(lambda: requests.get(url, timeout=60).status_code == 200)


def slow_reader(url: str) -> socket.socket:
    """One that asks, reads the head of the answer and no more: Orthanc holds the rest until it hangs up."""
    parts = urlsplit(url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
    connection.connect(("127.0.0.1", parts.port or 0))
    connection.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
    assert connection.recv(12) == b"HTTP/1.1 200"
    return connection
