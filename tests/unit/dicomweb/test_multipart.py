"""Bodies by RFC 2387, read back by the standard library."""

from __future__ import annotations

import email
import email.policy
from email.message import Message

import pytest
from framecache.dicomweb.multipart import Multipart
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.multipart_body import split

TYPE = "image/jp2; transfer-syntax=1.2.840.10008.1.2.4.90"
UUID, OTHER = "1c4e8b2a-0f37-4b5e-9d61-3a7f2c8e5b90", "00000001-0f37-4b5e-9d61-3a7f2c8e5b90"
LOCATION = "http://pacs/dicom-web/studies/1/series/2/instances/3/frames/"
AWKWARD = [b"", b"x", b"\r\n", b"--", b"\r\n--frame-cache", b"\r\n\r\n", bytes(range(256)), b"\n" * 3]
MULTIPART = Multipart(TYPE, UUID)


def body_of(frames: list[bytes], multipart: Multipart = MULTIPART) -> bytes:
    parts = [
        multipart.header(f"{LOCATION}{number}", len(frame), first=number == 1) + frame
        for number, frame in enumerate(frames, 1)
    ]
    return b"".join([*parts, multipart.closing])


def parsed(content_type: str, body: bytes) -> list[Message]:
    message = email.message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    assert not message.defects
    return list(message.walk())[1:]


@pytest.mark.parametrize("frames", [[b"frame"], [b"one", b"two", b"three"], AWKWARD, [b"same", b"same"]])
def test_a_body_is_read_back_part_by_part(frames: list[bytes]) -> None:
    body = body_of(frames)

    assert MULTIPART.content_type == f'multipart/related; type="{TYPE}"; boundary={MULTIPART.boundary}'
    assert [frame for _, frame in split(body, UUID)] == frames
    for number, (part, frame) in enumerate(zip(parsed(MULTIPART.content_type, body), frames, strict=True), 1):
        assert part["Content-Type"] == TYPE
        assert part["Content-Location"] == f"{LOCATION}{number}"
        assert part["Content-Length"] == str(len(frame))
        assert part["MIME-Version"] == "1.0"


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5))
def test_whatever_the_frames_hold_they_are_read_back(frames: list[bytes]) -> None:
    assert [frame for _, frame in split(body_of(frames), UUID)] == frames


def test_equal_answers_are_equal_bytes_after_a_restart_as_well() -> None:
    assert body_of([b"a", b"b"]) == body_of([b"a", b"b"], Multipart(TYPE, UUID))


def test_who_makes_a_file_knows_no_boundary_that_it_will_be_sent_with() -> None:
    """The UUID is given by Orthanc when the file is stored, another one to each version of it."""
    forged = [b"one", body_of([b"two", b"three"], Multipart(TYPE, OTHER)), b"four"]
    assert [frame for _, frame in split(body_of(forged), UUID)] == forged


def test_the_boundary_is_one_by_rfc_2046() -> None:
    """Section 5.1.1: 70 characters at most; these need no quotes (RFC 2045 section 5.1)."""
    assert len(MULTIPART.boundary) <= 70
    assert set(MULTIPART.boundary) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


@pytest.mark.parametrize("host", ["bücher", "日本", "\ud800", "a b"])
def test_no_host_name_breaks_the_body(host: str) -> None:
    body = MULTIPART.header(f"http://{host}/frames/1", 3) + b"abc" + MULTIPART.closing

    assert [frame for _, frame in split(body, UUID)] == [b"abc"]


def test_a_part_may_be_of_another_type_and_of_a_length_that_is_not_known_yet() -> None:
    header = MULTIPART.header(LOCATION, None, part_type="application/json")

    assert b"Content-Type: application/json\r\n" in header
    assert b"Content-Length" not in header
