"""Whole instances, as the Stone Web Viewer and DICOMweb clients fetch them: the stock plugin's bytes, streamed."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
import requests
from framecache.dicom.data_set import end_of_file_meta

from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import Archive, instance_of, running

pytestmark = pytest.mark.orthanc

SMALL = Sample(frames=5, rows=64, columns=96)
CASES = {
    "explicit": SMALL,
    "implicit": replace(SMALL, encoding="implicit", seed=1),
    "JPEG 2000": replace(SMALL, encoding="jpeg-2000", seed=2),
    "JPEG-LS": replace(SMALL, encoding="jpeg-ls", offset_table="none", seed=3),
    "RLE": replace(SMALL, encoding="rle", seed=4),
    "JPEG": replace(SMALL, encoding="jpeg", seed=5),
    "one frame": Sample(kind="mammogram", rows=65, columns=63, seed=6),
    "of several chunks": Sample(frames=9, rows=1000, columns=1021, seed=7),
}
LARGE = Sample(frames=16, rows=2048, columns=2048, seed=8)  # 134 MB: more than the sockets hold
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
# As Stone sends it (its ParseDicomFromWadoCommand), with the transfer syntax behind.
STONE = 'multipart/related; type="application/dicom"; transfer-syntax='


@pytest.fixture(scope="module")
def stock(suite: str, folder: Path) -> Iterator[Archive]:
    """The same Orthanc without the cache."""
    with running(suite, folder / "stock", {"FrameCache": {"Enable": False}}, in_order=False) as archive:
        yield archive


@pytest.fixture(scope="module")
def files(folder: Path) -> Mapping[str, bytes]:
    return {name: sample.write(folder / "sample.dcm").read_bytes() for name, sample in CASES.items()}


@pytest.fixture(scope="module")
def stored(archive: Archive, stock: Archive, files: Mapping[str, bytes]) -> Mapping[str, Instance]:
    """The cases, in both."""
    for content in files.values():
        stock.upload(content)
    return {name: instance_of(CASES[name], archive.upload(content)) for name, content in files.items()}


@pytest.fixture
def large(archive: Archive, folder: Path) -> Iterator[tuple[Instance, bytes]]:
    """An instance that is never sent in one piece, with its file."""
    content = LARGE.write(folder / "large.dcm").read_bytes()
    instance = instance_of(LARGE, archive.upload(content))
    archive.wait_until_cached(instance)
    yield instance, content
    archive.ask("DELETE", f"/instances/{instance.orthanc_id}")


def payload_of(answer: requests.Response) -> bytes:
    """The one part of a multipart/related answer, which is made of it and nothing else."""
    assert answer.status_code == 200, (answer.status_code, answer.content[:300])
    found = re.fullmatch(r'multipart/related; type="application/dicom"; boundary=(\S+)', answer.headers["Content-Type"])
    assert found, answer.headers
    delimiter = f"--{found[1]}".encode()
    header, _, rest = answer.content.partition(b"\r\n\r\n")
    assert header.startswith(delimiter + b"\r\n")
    assert b"\r\nContent-Type: application/dicom\r\n" in header
    length = int(header.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
    assert rest[length:] == b"\r\n" + delimiter + b"--\r\n"
    return rest[:length]


@pytest.mark.parametrize("name", CASES)
def test_stone_gets_the_stored_file_as_from_the_stock_plugin(
    archive: Archive, stock: Archive, stored: Mapping[str, Instance], files: Mapping[str, bytes], name: str
) -> None:
    answer = archive.get(stored[name].path, accept=f"{STONE}*")
    assert answer.headers["X-Frame-Cache"] == "file"
    assert payload_of(answer) == payload_of(stock.get(stored[name].path, accept=f"{STONE}*")) == files[name]


@pytest.mark.parametrize(
    "accept", [None, "*/*", "multipart/related", STONE[:-18], STONE + EXPLICIT, f'{STONE}"*"', STONE + IMPLICIT]
)
@pytest.mark.parametrize("name", ["explicit", "implicit", "JPEG-LS", "RLE", "one frame"])
def test_every_accept_of_the_stock_plugin_gets_its_data_set(
    archive: Archive, stock: Archive, stored: Mapping[str, Instance], name: str, accept: str | None
) -> None:
    """Byte by byte, behind the File Meta Information: there a file says who wrote it (PS3.10 section 7.1)."""
    headers = {"accept": accept} if accept else {}
    ours, theirs = (payload_of(one.get(stored[name].path, **headers)) for one in (archive, stock))
    assert ours[end_of_file_meta(ours) :] == theirs[end_of_file_meta(theirs) :]
    assert meta_of(ours) == meta_of(theirs)


def meta_of(file: bytes) -> tuple[str, str, str]:
    meta = pydicom.dcmread(BytesIO(file), stop_before_pixels=True).file_meta
    return meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID


def test_jpeg_2000_is_decoded_though_that_ends_the_stock_plugins_server(
    archive: Archive, stored: Mapping[str, Instance]
) -> None:
    """Debian's GDCM needs more stack than Orthanc's HTTP threads have."""
    decoded = pydicom.dcmread(BytesIO(payload_of(archive.get(stored["JPEG 2000"].path, accept=STONE + EXPLICIT))))
    assert decoded.file_meta.TransferSyntaxUID == EXPLICIT
    assert decoded.PixelData == b"".join(frame.tobytes() for frame in CASES["JPEG 2000"].pixels())


@pytest.mark.parametrize("accept", ["application/dicom; transfer-syntax=*", "text/html, application/dicom"])
def test_a_single_part_is_the_file_alone(
    archive: Archive, stored: Mapping[str, Instance], files: Mapping[str, bytes], accept: str
) -> None:
    answer = archive.get(stored["explicit"].path, accept=accept)
    assert (answer.headers["Content-Type"], answer.content) == ("application/dicom", files["explicit"])


def test_the_accept_parameter_goes_before_the_header(
    archive: Archive, stored: Mapping[str, Instance], files: Mapping[str, bytes]
) -> None:
    answer = archive.get(f"{stored['JPEG 2000'].path}?accept=application/dicom;transfer-syntax=*", accept="*/*")
    assert answer.content == files["JPEG 2000"]


@pytest.mark.parametrize("uids", ["studies/1.2/series/3.4/instances/5.6", "studies/x/series/3.4/instances/5.6"])
def test_an_unknown_instance_is_not_found(archive: Archive, uids: str) -> None:
    assert archive.get(f"/dicom-web/{uids}", accept=f"{STONE}*").status_code == 404


def test_an_instance_is_found_in_its_own_study_and_series_only(
    archive: Archive, stored: Mapping[str, Instance]
) -> None:
    here, there = stored["explicit"], stored["implicit"]
    path = here.path.replace(here.sop_instance_uid, there.sop_instance_uid)
    assert archive.get(path, accept=f"{STONE}*").status_code == 404


@pytest.mark.parametrize("accept", ["image/jpeg", 'multipart/related; type="image/jp2"', f"{STONE}*;q=0"])
def test_other_media_types_are_not_acceptable(archive: Archive, stored: Mapping[str, Instance], accept: str) -> None:
    answer = archive.get(stored["explicit"].path, accept=accept)
    assert (answer.status_code, answer.json()["Available"][0]) == (406, f"{STONE}*")


@pytest.mark.parametrize(("syntax", "status"), [("9.9", 406), ("hello/../world", 400)])
def test_an_impossible_transfer_syntax_is_refused(
    archive: Archive, stored: Mapping[str, Instance], syntax: str, status: int
) -> None:
    assert archive.get(stored["explicit"].path, accept=f'{STONE}"{syntax}"').status_code == status


def test_a_copy_that_is_still_true_is_not_sent_again(archive: Archive, stored: Mapping[str, Instance]) -> None:
    path = stored["explicit"].path
    tag = archive.get(path, accept=f"{STONE}*").headers["ETag"]
    again = archive.get(path, accept=f"{STONE}*", if_none_match=tag)
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    alone = archive.get(path, accept="application/dicom; transfer-syntax=*", if_none_match=tag)
    assert alone.status_code == 200


def test_a_connection_is_kept_for_the_next_small_instance(archive: Archive, stored: Mapping[str, Instance]) -> None:
    """A series of single-frame instances is fetched by many requests."""
    answer = archive.get(stored["one frame"].path, accept=f"{STONE}*")
    assert int(answer.headers["Content-Length"]) == len(answer.content)


def test_a_file_deleted_while_it_is_sent_arrives_whole(archive: Archive, large: tuple[Instance, bytes]) -> None:
    instance, content = large
    with begun(archive, instance) as client:
        archive.delete(f"/instances/{instance.orthanc_id}")
        assert content in rest_of(client)
    assert archive.get(instance.path, accept=f"{STONE}*").status_code == 404


@pytest.mark.parametrize("accept", [f"{STONE}*", "application/dicom; transfer-syntax=*"])
def test_a_file_cut_short_while_it_is_sent_is_seen_as_broken(
    archive: Archive, large: tuple[Instance, bytes], accept: str
) -> None:
    instance, content = large
    with archive.ask("GET", instance.path, headers={"accept": accept}, stream=True) as answer:
        assert int(answer.headers["Content-Length"]) >= len(content)
        file_of(archive, len(content)).open("r+b").truncate(len(content) // 2)
        with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
            answer.content  # noqa: B018 - reading it is the test
    assert archive.get("/system").status_code == 200


def test_a_client_that_hangs_up_leaves_no_memory_taken(archive: Archive, large: tuple[Instance, bytes]) -> None:
    instance, content = large
    for _ in range(5):
        begun(archive, instance).close()
    assert payload_of(archive.get(instance.path, accept=f"{STONE}*")) == content
    assert archive.status()["BytesInFlight"] == 0


def test_a_large_file_takes_no_memory_of_its_length(archive: Archive, large: tuple[Instance, bytes]) -> None:
    instance, content = large
    before = peak_of(archive)
    assert payload_of(archive.get(instance.path, accept=f"{STONE}*")) == content
    assert peak_of(archive) - before < len(content) // 4


def test_what_orthanc_compressed_is_sent_as_it_was_stored(archive: Archive) -> None:
    sample = replace(SMALL, seed=9)
    content = sample.write(archive.server.folder / "compressed.dcm").read_bytes()
    instance = instance_of(sample, archive.upload(content))
    archive.ask("POST", f"/instances/{instance.orthanc_id}/attachments/dicom/compress").raise_for_status()
    answer = archive.get(instance.path, accept=f"{STONE}*")
    assert (answer.headers["X-Frame-Cache"], payload_of(answer)) == ("bypass", content)


def begun(archive: Archive, instance: Instance) -> socket.socket:
    """A client that has asked for `instance` and read the first of it."""
    client = socket.create_connection(("127.0.0.1", archive.server.port))
    client.sendall(f"GET {instance.path} HTTP/1.1\r\nHost: here\r\nAccept: {STONE}*\r\n\r\n".encode())
    assert client.recv(12) == b"HTTP/1.1 200"
    return client


def rest_of(client: socket.socket) -> bytes:
    """All that comes until the server closes."""
    client.settimeout(30)
    return b"".join(iter(lambda: client.recv(1 << 20), b""))


def file_of(archive: Archive, size: int) -> Path:
    """The stored file of this size."""
    (found,) = (p for p in (archive.server.folder / "storage").rglob("*-*") if p.is_file() and p.stat().st_size == size)
    return found


def peak_of(archive: Archive) -> int:
    """The most memory that Orthanc ever held, in bytes."""
    status = Path(f"/proc/{archive.server.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
