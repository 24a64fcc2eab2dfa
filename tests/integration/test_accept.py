"""What clients send as Accept, what they get, and what is handed over to the stock plugin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import AS_STORED, Archive, wait_until
from tests.integration.documents import store_document
from tests.integration.parts import parts_of

pytestmark = pytest.mark.orthanc

SMALL = Sample(frames=3, rows=64, columns=96)
EXPLICIT, JPEG_2000 = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90"
NATIVE_SHAPES = (
    None,
    "*/*",
    AS_STORED,
    'multipart/related; type="application/octet-stream"; transfer-syntax=*',
    "multipart/related; type=application/octet-stream",
    'multipart/related; type="application/octet-stream"',
    f'multipart/related; type="application/octet-stream"; transfer-syntax={EXPLICIT}',
    f"multipart/related;type=application/octet-stream;transfer-syntax={EXPLICIT}",
    'multipart/related; type="image/jpeg"; q=0.1, multipart/related; type="application/octet-stream"',
)
JPEG_2000_SHAPES = (
    AS_STORED,
    'multipart/related; type="application/octet-stream"; transfer-syntax=*',
    "multipart/related; type=image/jp2",
    'multipart/related; type="image/jp2"',
    f"multipart/related; type=image/jp2; transfer-syntax={JPEG_2000}",
    f'multipart/related; type="image/jp2"; transfer-syntax={JPEG_2000}',
    'multipart/related; type="image/jp2"; transfer-syntax=*',
)
# What nobody makes.
NOT_MADE = "multipart/related; type=image/jxl"


@pytest.fixture(scope="module")
def native(archive: Archive) -> Instance:
    return archive.store(replace(SMALL, encoding="implicit", seed=1))


@pytest.fixture(scope="module")
def jpeg_2000(archive: Archive) -> Instance:
    return archive.store(replace(SMALL, encoding="jpeg-2000", seed=2))


@pytest.mark.parametrize("accept", NATIVE_SHAPES)
def test_native_frames_in_multipart(archive: Archive, native: Instance, accept: str | None) -> None:
    assert archive.frames(native, "2", accept).headers["X-Frame-Cache"] == "hit"
    assert archive.parts(native, "2", accept) == archive.stock_parts(native, "2")


@pytest.mark.parametrize("accept", JPEG_2000_SHAPES)
def test_compressed_frames_in_multipart(archive: Archive, jpeg_2000: Instance, accept: str) -> None:
    assert archive.frames(jpeg_2000, "2", accept).headers["X-Frame-Cache"] == "hit"
    assert archive.parts(jpeg_2000, "2", accept) == archive.stock_parts(jpeg_2000, "2")


def test_a_single_part_is_the_frame_alone(archive: Archive, native: Instance, jpeg_2000: Instance) -> None:
    octets, image = archive.frames(native, "2", "application/octet-stream"), archive.frames(jpeg_2000, "2", "image/jp2")
    assert [octets.content] == [part.payload for part in archive.stock_parts(native, "2")]
    assert [image.content] == [part.payload for part in archive.stock_parts(jpeg_2000, "2")]
    assert octets.headers["Content-Type"] == f"application/octet-stream; transfer-syntax={EXPLICIT}"
    assert image.headers["Content-Type"] == f"image/jp2; transfer-syntax={JPEG_2000}"


def test_the_accept_parameter_goes_before_the_header(archive: Archive, native: Instance) -> None:
    wanted = [part.payload for part in archive.stock_parts(native, "2")]
    for text in ("application/octet-stream", quote("application/octet-stream; q=0.5", safe="")):
        answer = archive.frames(native, f"2?accept={text}", "image/png")
        assert (answer.history, [answer.content]) == ([], wanted)


@dataclass(frozen=True)
class Query:
    """As sent, and as the answer's Location has to mean it."""

    sent: str
    names_and_values: tuple[tuple[str, str], ...]


QUERIES = (
    Query("token=abc.def-ghi_j", (("token", "abc.def-ghi_j"),)),
    Query("token=a%2Bb%2Fc%3D%3D", (("token", "a+b/c=="),)),
    Query("name=M%C3%BCller&x=1", (("name", "Müller"), ("x", "1"))),
    Query("a=one%20two&b=100%25", (("a", "one two"), ("b", "100%"))),
    Query("empty=&a=1", (("a", "1"), ("empty", ""))),
)


@pytest.fixture(scope="module")
def document(archive: Archive) -> Instance:
    """An instance without pixels, whose rendered form only the stock plugin has."""
    return store_document(archive)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.sent)
def test_a_hand_over_keeps_the_query(archive: Archive, document: Instance, query: Query) -> None:
    answer = archive.ask("GET", f"{document.path}/rendered?{query.sent}", allow_redirects=False)
    assert (answer.status_code, answer.headers["X-Frame-Cache"]) == (307, "bypass")
    location = urlsplit(answer.headers["Location"])
    assert location.path == "frames/01/rendered"
    assert sorted(parse_qsl(location.query, keep_blank_values=True)) == sorted(query.names_and_values)


def test_a_hand_over_keeps_the_commas_that_a_viewport_has(archive: Archive, document: Instance) -> None:
    """Orthanc 1.12.7 does not decode a query: its stock plugin takes no %2C for a comma."""
    answer = archive.ask("GET", f"{document.path}/rendered?viewport=32,32", allow_redirects=False)
    assert answer.headers["Location"] == "frames/01/rendered?viewport=32,32"


def test_an_ampersand_in_a_value_reaches_the_stock_plugin_as_it_would_without_us(
    archive: Archive, document: Instance
) -> None:
    """Some builds of Orthanc split a query after decoding it: then only what is left of it can be kept."""
    answer = archive.ask("GET", f"{document.path}/rendered?a=q%26r", allow_redirects=False)
    assert urlsplit(answer.headers["Location"]).query in ("a=q%26r", "a=q&r=")


def test_a_hand_over_is_answered_by_the_stock_plugin(archive: Archive, document: Instance) -> None:
    before = archive.status()["BypassesByCause"]["Document"]
    answer = archive.get(f"{document.path}/rendered?token=x", accept="*/*")
    assert [step.status_code for step in answer.history] == [307]
    assert "X-Frame-Cache" not in answer.headers
    assert answer.content == archive.get(f"{document.path}/frames/01/rendered", accept="*/*").content
    assert archive.status()["BypassesByCause"]["Document"] == before + 1


def test_a_hand_over_is_not_kept_by_caches(archive: Archive, document: Instance) -> None:
    answer = archive.get(f"{document.path}/rendered", accept="*/*")
    assert answer.history[0].headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("frame_list", ["1", "2,3"])
def test_a_form_that_is_not_made_is_refused_with_what_there_is(
    archive: Archive, native: Instance, jpeg_2000: Instance, frame_list: str
) -> None:
    """The stock plugin's decoders can end Orthanc; clients that try form after form go on at 406."""
    for instance in (native, jpeg_2000):
        answer = archive.frames(instance, frame_list, NOT_MADE)
        assert (answer.history, answer.status_code) == ([], 406)
        assert archive.frames(instance, frame_list, answer.json()["Available"][0]).status_code == 200


def test_lists_of_pictures_come_in_parts(archive: Archive, native: Instance) -> None:
    alone = [archive.get(f"{native.path}/frames/{n}/rendered", accept="image/png").content for n in (1, 3)]
    for accept in ("image/png", 'multipart/related; type="image/png"'):
        answer = archive.get(f"{native.path}/frames/1,3/rendered", accept=accept)
        assert [part.payload for part in parts_of(answer)] == alone


def test_what_was_decoded_for_a_wildcard_is_kept(archive: Archive, jpeg_2000: Instance) -> None:
    """What OHIF asks for with `staticWado`."""
    first = archive.frames(jpeg_2000, "3", "*/*")
    assert (first.status_code, first.headers["X-Frame-Cache"]) == (200, "miss")
    wait_until(lambda: archive.frames(jpeg_2000, "3", "*/*").headers["X-Frame-Cache"] == "hit")


@pytest.mark.parametrize("resource", ["rendered/", "frames/1/rendered/"])
def test_a_hand_over_with_a_slash_behind_it_leads_to_the_same(
    archive: Archive, document: Instance, resource: str
) -> None:
    answer = archive.get(f"{document.path}/{resource}", accept="*/*")
    assert {step.status_code for step in answer.history} == {307}
    assert answer.url.endswith(f"{document.path}/frames/01/rendered")


def test_a_header_that_is_no_utf_8_is_served(archive: Archive, native: Instance) -> None:
    """A name in latin-1, as gateways for single sign-on send them."""
    answer = archive.ask("GET", f"{native.path}/frames/1", headers={"Accept": AS_STORED, "X-Remote-User": b"M\xfcller"})
    assert (answer.status_code, answer.headers["X-Frame-Cache"]) == (200, "hit")
    assert archive.ask("GET", f"{native.path}/frames/1?name=%FF", headers={"Accept": AS_STORED}).status_code == 200


def test_an_unknown_instance_is_not_found(archive: Archive, native: Instance) -> None:
    answer = archive.get(f"{native.path}.9/frames/1", accept=AS_STORED)
    assert (answer.history, answer.status_code) == ([], 404)
    assert archive.get(f"{native.path}.9/frames/01", accept=AS_STORED).status_code == 404
