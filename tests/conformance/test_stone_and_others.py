"""Requests as the Stone Web Viewer sends them, and dicomweb-client by every media type, from end to end."""

from __future__ import annotations

from io import BytesIO

import pydicom
import pytest
import requests
from dicomweb_client import DICOMwebClient

from tests.conformance.checks import about_part
from tests.conformance.client import HttpClient, Part
from tests.conformance.pictures import JPEG, pixels_of
from tests.conformance.shapes import HTJ2K, JPEG_2000, JPEG_LS
from tests.conformance.stored import BY_NAME, COMPRESSED, EXPLICIT, RLE, Stored
from tests.integration.archive import Archive

pytestmark = pytest.mark.orthanc

NATIVE = "Explicit, 12 bits in 16"
SHOWN = (
    (NATIVE, "1500,2000,linear"),
    ("RLE, RGB by pixel", "128,256,linear"),
    ("JPEG-LS, 16 bits", "32768,65536,linear-exact"),
    ("JPEG Baseline, YBR_FULL_422", "128,256,linear"),
)
# What is stored, the media types asked for, and the transfer syntax that comes.
RETRIEVED = (
    (NATIVE, None, EXPLICIT),
    (NATIVE, (("application/octet-stream", EXPLICIT),), EXPLICIT),
    (NATIVE, ("application/octet-stream",), EXPLICIT),
    (NATIVE, (("image/jp2", JPEG_2000),), JPEG_2000),
    (NATIVE, (("image/jls", JPEG_LS),), JPEG_LS),
    (NATIVE, (("image/dicom-rle", RLE),), RLE),
    (NATIVE, ("image/*",), HTJ2K),
    (NATIVE, (("image/jpeg", f"{COMPRESSED}.50"), ("image/jls", JPEG_LS)), JPEG_LS),
    ("JPEG-LS, 16 bits", None, EXPLICIT),
    ("JPEG-LS, 16 bits", (("image/jls", JPEG_LS),), JPEG_LS),
    ("JPEG-LS, 16 bits", ("image/*",), JPEG_LS),
    ("JPEG Baseline, 8 bits", (("image/jpeg", f"{COMPRESSED}.50"),), f"{COMPRESSED}.50"),
    ("JPEG 2000, 12 bits", (("image/jp2", JPEG_2000), ("application/octet-stream", EXPLICIT)), JPEG_2000),
    ("RLE, RGB by pixel", (("image/dicom-rle", RLE),), RLE),
    ("HTJ2K, 16 bits", None, EXPLICIT),
    ("Big Endian, 16 bits", None, EXPLICIT),
    ("Deflated, 16 bits", None, EXPLICIT),
)


@pytest.mark.parametrize(("name", "window"), SHOWN)
def test_stone_shows_a_series_frame_by_frame_and_then_fetches_the_instance(
    archive: Archive, client: HttpClient, name: str, window: str
) -> None:
    stored = BY_NAME[name]
    thumbnail = client.get(f"{stored.series_path}/rendered?viewport=20,16", {"Accept": JPEG})
    assert (thumbnail.status, pixels_of(thumbnail).shape[:2]) == (200, (16, 20))
    pictures = [
        client.get(f"{stored.path}/frames/{number}/rendered?window={window}", {"Accept": JPEG})
        for number in range(1, len(stored.pixels) + 1)
    ]
    assert {(picture.status, picture.content_type) for picture in pictures} == {(200, JPEG)}
    assert len({picture.body for picture in pictures}) == len(stored.pixels)
    for accept in (
        "application/dicom; transfer-syntax=*",
        'multipart/related; type="application/dicom"; transfer-syntax=*',
    ):
        assert_same_instance(fetched(archive, stored, accept), stored)


def fetched(archive: Archive, stored: Stored, accept: str) -> bytes:
    """The instance as a file, redirections followed as a browser does."""
    url = f"{archive.server.url}/dicom-web/{stored.path}"
    answer = requests.get(url, headers={"Accept": accept}, timeout=60)
    assert answer.status_code == 200, answer.text[:200]
    return answer.content[answer.content.index(b"DICM") - 128 :]


def assert_same_instance(content: bytes, stored: Stored) -> None:
    found, sent = pydicom.dcmread(BytesIO(content), force=True), pydicom.dcmread(BytesIO(stored.file()))
    assert found.SOPInstanceUID == stored.uid("instance")
    assert found.file_meta.TransferSyntaxUID == stored.transfer_syntax_uid
    assert found.PixelData == sent.PixelData


@pytest.mark.parametrize(("name", "media_types", "transfer_syntax_uid"), RETRIEVED)
def test_dicomweb_client_retrieves_frames_by_media_type(
    archive: Archive, name: str, media_types: tuple[str | tuple[str, str], ...] | None, transfer_syntax_uid: str
) -> None:
    stored = BY_NAME[name]
    study, series, instance = (stored.uid(level) for level in ("study", "series", "instance"))
    frames = DICOMwebClient(f"{archive.server.url}/dicom-web").retrieve_instance_frames(
        study, series, instance, frame_numbers=[3, 1], media_types=media_types
    )
    media_type = {RLE: "image/dicom-rle", JPEG_LS: "image/jls", JPEG_2000: "image/jp2", HTJ2K: "image/jphc"}
    media_type |= {EXPLICIT: "application/octet-stream", f"{COMPRESSED}.50": "image/jpeg"}
    for number, frame in zip((3, 1), frames, strict=True):
        part = Part(media_type[transfer_syntax_uid], transfer_syntax_uid, "", frame)
        assert list(about_part(part, stored, transfer_syntax_uid, number)) == []


def test_dicomweb_client_shows_a_rendered_frame(archive: Archive) -> None:
    stored = BY_NAME[NATIVE]
    study, series, instance = (stored.uid(level) for level in ("study", "series", "instance"))
    client = DICOMwebClient(f"{archive.server.url}/dicom-web")
    first, second = (
        client.retrieve_instance_frames_rendered(study, series, instance, frame_numbers=[number], media_types=(JPEG,))
        for number in (1, 2)
    )
    assert first.startswith(b"\xff\xd8")
    assert first != second
