"""Other people's clients, and the stock plugin's routes around ours."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import pytest
from dicomweb_client import DICOMwebClient
from PIL import Image

from dev.encoding import ENCODINGS
from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import Archive

pytestmark = pytest.mark.orthanc

SMALL = Sample(frames=4, rows=64, columns=96)
MEDIA_TYPES = {
    "explicit": (("application/octet-stream", "1.2.840.10008.1.2.1"),),
    "jpeg-2000": (("image/jp2", "1.2.840.10008.1.2.4.90"),),
    "jpeg-ls": (("image/jpeg", "1.2.840.10008.1.2.4.70"), ("image/jls", "1.2.840.10008.1.2.4.80")),
    "rle": (("image/dicom-rle", "1.2.840.10008.1.2.5"),),
    "jpeg": (("image/jpeg", "1.2.840.10008.1.2.4.50"),),
}


@pytest.mark.parametrize("encoding", MEDIA_TYPES)
def test_dicomweb_client_retrieves_frames_from_the_cache(archive: Archive, encoding: str) -> None:
    sample = replace(SMALL, encoding=encoding, seed=list(MEDIA_TYPES).index(encoding))
    instance = archive.store(sample)
    hits = archive.status()["Hits"]
    frames = retrieve(archive, instance, [1, 3], MEDIA_TYPES[encoding])
    encoded = list(map(ENCODINGS[encoding].encode, sample.pixels()))
    assert [frame[: len(encoded[i])] for frame, i in zip(frames, (0, 2), strict=True)] == [encoded[0], encoded[2]]
    assert archive.status()["Hits"] == hits + 1


def retrieve(
    archive: Archive, instance: Instance, numbers: list[int], media_types: tuple[tuple[str, str], ...] | None
) -> list[bytes]:
    client = DICOMwebClient(f"{archive.server.url}/dicom-web")
    uids = (instance.study_instance_uid, instance.series_instance_uid, instance.sop_instance_uid)
    return list(client.retrieve_instance_frames(*uids, frame_numbers=numbers, media_types=media_types))


def test_dicomweb_client_needs_no_media_type_for_native_frames(archive: Archive) -> None:
    sample = replace(SMALL, seed=20)
    instance = archive.store(sample)
    hits = archive.status()["Hits"]
    assert retrieve(archive, instance, [4], None) == [list(sample.pixels())[3].tobytes()]
    assert archive.status()["Hits"] == hits + 1


@pytest.mark.parametrize("route", ["/frames/2/rendered", "/rendered", "/thumbnail"])
def test_pictures_come_beside_our_routes(archive: Archive, route: str) -> None:
    instance = archive.store(replace(SMALL, seed=21))
    answer = archive.get(f"{instance.path}{route}", accept="image/jpeg")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")
    assert Image.open(BytesIO(answer.content)).format == "JPEG"


def test_what_viewers_ask_besides_frames_is_answered(archive: Archive) -> None:
    instance = archive.store(replace(SMALL, seed=22))
    series = instance.path.partition("/instances/")[0]
    assert archive.get("/dicom-web/studies", accept="application/dicom+json").status_code == 200
    metadata = archive.get(f"{series}/metadata", accept="application/dicom+json").json()
    assert metadata[0]["00280008"]["Value"] == [SMALL.frames]
    whole = archive.get(instance.path, accept='multipart/related; type="application/dicom"')
    assert (whole.status_code, b"DICM" in whole.content) == (200, True)
