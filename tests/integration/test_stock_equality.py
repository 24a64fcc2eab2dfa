"""Every part that the cache sends is the stock DICOMweb plugin's: payload, Content-Type and Content-Location."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dev.encoding import ENCODINGS
from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import Archive
from tests.integration.parts import parts_of

pytestmark = pytest.mark.orthanc

SMALL = Sample(frames=5, rows=64, columns=96)
CASES = {
    "explicit": SMALL,
    "implicit": replace(SMALL, encoding="implicit"),
    "JPEG 2000": replace(SMALL, encoding="jpeg-2000"),
    "JPEG 2000 with extended offset table": replace(SMALL, encoding="jpeg-2000", offset_table="extended"),
    "JPEG-LS without offset table": replace(SMALL, encoding="jpeg-ls", offset_table="none"),
    "JPEG-LS in fragments": replace(SMALL, encoding="jpeg-ls", fragments_per_frame=3),
    "RLE": replace(SMALL, encoding="rle"),
    "JPEG": replace(SMALL, encoding="jpeg"),
    "HTJ2K": replace(SMALL, encoding="htj2k"),
    "colour": replace(SMALL, kind="ultrasound"),
    "colour JPEG": replace(SMALL, kind="ultrasound", encoding="jpeg"),
    "frames of odd length": replace(SMALL, kind="ultrasound", rows=63, columns=65),
    "frames in a block each": replace(SMALL, rows=400, columns=400),
}
# Its DICOMweb plugin answers 500; the cache sends the frames all the same.
UNKNOWN_TO_STOCK = {("trixie", "HTJ2K")}
LISTS = ("1,2", "5,1,3", "2,2", "1,2,3,4,5")


@pytest.fixture(scope="module")
def stored(archive: Archive) -> dict[str, Instance]:
    """The case's instances, all frames cached."""
    samples = {name: replace(sample, seed=seed) for seed, (name, sample) in enumerate(CASES.items())}
    instances = {name: archive.store(sample, cached=False) for name, sample in samples.items()}
    for instance in instances.values():
        archive.wait_until_cached(instance)
    return instances


@pytest.mark.parametrize("name", CASES)
def test_each_frame_is_a_hit_and_equals_the_stock_plugins(
    archive: Archive, suite: str, stored: dict[str, Instance], name: str
) -> None:
    for number in map(str, range(1, SMALL.frames + 1)):
        assert_equal_to_stock(archive, stored[name], number, known=(suite, name) not in UNKNOWN_TO_STOCK)


@pytest.mark.parametrize("frame_list", LISTS)
@pytest.mark.parametrize("name", CASES)
def test_a_list_of_frames_equals_the_stock_plugins(
    archive: Archive, suite: str, stored: dict[str, Instance], name: str, frame_list: str
) -> None:
    assert_equal_to_stock(archive, stored[name], frame_list, known=(suite, name) not in UNKNOWN_TO_STOCK)


def assert_equal_to_stock(archive: Archive, instance: Instance, frame_list: str, *, known: bool) -> None:
    ours, stock = archive.frames(instance, frame_list), archive.stock_frames(instance, frame_list)
    assert ours.headers["X-Frame-Cache"] == "hit"
    if known:
        assert parts_of(ours) == parts_of(stock)
    else:
        assert (len(parts_of(ours)), stock.status_code) == (frame_list.count(",") + 1, 500)


@pytest.mark.parametrize("name", CASES)
def test_each_frame_is_what_was_encoded(archive: Archive, stored: dict[str, Instance], name: str) -> None:
    """The stock plugin is no proof of itself."""
    sample = replace(CASES[name], seed=list(CASES).index(name))
    encoded = list(map(ENCODINGS[sample.encoding].encode, sample.pixels()))
    parts = archive.parts(stored[name], "1,2,3,4,5")
    assert [part.payload[: len(frame)] for part, frame in zip(parts, encoded, strict=True)] == encoded
    # The last byte may be the padding of an item (PS3.5 A.4).
    assert all(len(part.payload) - len(frame) in (0, 1) for part, frame in zip(parts, encoded, strict=True))


@pytest.mark.parametrize("forwarded", [{}, {"Forwarded": "host=viewer.example;proto=https"}])
def test_content_location_follows_the_proxy_as_the_stock_plugin_does(
    archive: Archive, stored: dict[str, Instance], forwarded: dict[str, str]
) -> None:
    instance = stored["explicit"]
    ours = archive.frames(instance, "2", **forwarded)
    assert ours.headers["X-Frame-Cache"] == "hit"
    stock = archive.frames(instance, "02", **forwarded)
    assert _location(ours.content) == _location(stock.content)


def _location(body: bytes) -> bytes:
    return body.partition(b"Content-Location: ")[2].partition(b"\r\n")[0]
