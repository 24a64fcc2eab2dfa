"""Whole studies and series: the stock plugin's files in its order, and STOW-RS to the same URL still stores."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from framecache.dicom.data_set import end_of_file_meta

from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import Archive, instance_of, running

pytestmark = pytest.mark.orthanc

SMALL = Sample(frames=3, rows=32, columns=48)
# Two series of a study; the stock plugin's server ends when it decodes JPEG 2000.
CASES = {
    "explicit": SMALL,
    "implicit": replace(SMALL, encoding="implicit", series_number=2),
    "JPEG-LS": replace(SMALL, encoding="jpeg-ls", series_number=3),
    "RLE": replace(SMALL, encoding="rle", series_number=4),
}
LARGE = [Sample(frames=16, rows=2048, columns=1024, seed=9, series_number=n) for n in (1, 2, 3)]  # 67 MB each
EXPLICIT = "1.2.840.10008.1.2.1"
IN_PARTS = 'multipart/related; type="application/dicom"'


@pytest.fixture(scope="module")
def stock(suite: str, folder: Path) -> Iterator[Archive]:
    """The same Orthanc without the cache."""
    with running(suite, folder / "stock", {"FrameCache": {"Enable": False}}, in_order=False) as archive:
        yield archive


@pytest.fixture(scope="module")
def stored(archive: Archive, stock: Archive, folder: Path) -> Mapping[str, Instance]:
    """The cases, in both."""
    files = {name: sample.write(folder / "sample.dcm").read_bytes() for name, sample in CASES.items()}
    for content in files.values():
        stock.upload(content)
    return {name: instance_of(CASES[name], archive.upload(content)) for name, content in files.items()}


@pytest.fixture(scope="module")
def large(archive: Archive, folder: Path) -> str:
    """The URL of a study that is never held."""
    for sample in LARGE:
        archive.upload(sample.write(folder / "large.dcm").read_bytes())
    return f"/dicom-web/studies/{LARGE[0].study_instance_uid}"


def study_of(instance: Instance) -> str:
    return instance.path.partition("/series/")[0]


def series_of(instance: Instance) -> str:
    return instance.path.partition("/instances/")[0]


def files_of(answer: requests.Response) -> list[bytes]:
    """The parts of a multipart/related answer, which is made of them and nothing else."""
    assert answer.status_code == 200, (answer.status_code, answer.content[:300])
    found = re.fullmatch(r'multipart/related; type="application/dicom"; boundary=(\S+)', answer.headers["Content-Type"])
    assert found, answer.headers
    delimiter = f"--{found[1]}".encode()
    body = answer.content.removesuffix(b"\r\n")
    assert body.endswith(b"\r\n" + delimiter + b"--")
    parts = body.removesuffix(b"\r\n" + delimiter + b"--").split(delimiter + b"\r\n")[1:]
    return [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts]


@pytest.mark.parametrize("accept", [None, "*/*", "multipart/related", IN_PARTS, f"{IN_PARTS}; transfer-syntax=*"])
@pytest.mark.parametrize("place", [study_of, series_of], ids=["study", "series"])
def test_every_accept_of_the_stock_plugin_gets_its_files(
    archive: Archive, stock: Archive, stored: Mapping[str, Instance], place: object, accept: str | None
) -> None:
    """But for the File Meta Information, where a file says who wrote it."""
    assert callable(place)
    url, headers = place(stored["JPEG-LS"]), {"accept": accept} if accept else {}
    ours, theirs = (files_of(one.get(url, **headers)) for one in (archive, stock))
    assert [file[end_of_file_meta(file) :] for file in ours] == [file[end_of_file_meta(file) :] for file in theirs]
    assert len(ours) == (len(CASES) if place is study_of else 1)


@pytest.mark.parametrize("place", [study_of, series_of], ids=["study", "series"])
def test_jpeg_2000_is_decoded_though_that_ends_the_stock_plugins_server(archive: Archive, place: object) -> None:
    assert callable(place)
    sample = replace(SMALL, encoding="jpeg-2000", seed=5)
    (file,) = files_of(archive.get(place(archive.store(sample, cached=False)), accept="*/*"))
    assert b"".join(frame.tobytes() for frame in sample.pixels()) in file


@pytest.mark.parametrize("url", ["studies/1.2.3", "studies/1.2.3/series/1.2.4", "studies/x", "studies/x/series/y"])
def test_what_is_not_there_is_not_found(archive: Archive, url: str) -> None:
    assert archive.get(f"/dicom-web/{url}").status_code == 404


def test_a_series_of_another_study_is_not_found(archive: Archive, stored: Mapping[str, Instance]) -> None:
    url = series_of(stored["explicit"]).replace(SMALL.study_instance_uid, "1.2.3")
    assert archive.get(url).status_code == 404


@pytest.mark.parametrize("accept", ["application/zip", "application/dicom", "image/jpeg", f"{IN_PARTS}; q=0"])
def test_several_files_come_in_parts_or_not_at_all(
    archive: Archive, stored: Mapping[str, Instance], accept: str
) -> None:
    assert archive.get(study_of(stored["explicit"]), accept=accept).status_code == 406


@pytest.mark.parametrize("in_chunks", [False, True])
def test_stow_to_a_study_still_stores(archive: Archive, folder: Path, *, in_chunks: bool) -> None:
    """A POST goes to the stock plugin before our callback is looked for."""
    sample = replace(SMALL, seed=20 + in_chunks)
    file = sample.write(folder / "stow.dcm").read_bytes()
    body = [b"--here\r\nContent-Type: application/dicom\r\n\r\n", file, b"\r\n--here--\r\n"]
    answer = archive.ask(
        "POST",
        f"/dicom-web/studies/{sample.study_instance_uid}",
        data=iter(body) if in_chunks else b"".join(body),
        headers={"Content-Type": f"{IN_PARTS}; boundary=here"},
    )
    assert (answer.status_code, "00081199" in answer.json()) == (200, True)
    assert files_of(archive.get(f"/dicom-web/studies/{sample.study_instance_uid}", accept="*/*")) == [file]


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_other_methods_are_not_allowed(archive: Archive, stored: Mapping[str, Instance], method: str) -> None:
    for url, allowed in ((study_of(stored["explicit"]), "GET,POST"), (series_of(stored["explicit"]), "GET")):
        answer = archive.ask(method, url)
        assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)


def test_a_study_of_any_length_takes_no_memory_of_it(archive: Archive, large: str) -> None:
    before = peak_of(archive)
    answer = archive.get(large, accept=f"{IN_PARTS}; transfer-syntax=*")
    assert len(files_of(answer)) == len(LARGE)
    assert peak_of(archive) - before < len(answer.content) // 8


def test_a_study_that_breaks_off_is_seen_as_broken(archive: Archive, large: str) -> None:
    """The last file is cut short while the first is sent."""
    request = f"GET {large} HTTP/1.1\r\nHost: here\r\nAccept: {IN_PARTS}; transfer-syntax=*\r\n\r\n"
    with socket.create_connection(("127.0.0.1", archive.server.port)) as client:
        client.sendall(request.encode())
        received = client.recv(1 << 16)
        assert b"Transfer-Encoding: chunked" in received
        size = LARGE[0].frames * LARGE[0].rows * LARGE[0].columns * 2
        files = (path for path in (archive.server.folder / "storage").rglob("*-*") if path.is_file())
        for file in [path for path in files if path.stat().st_size > size]:
            file.open("r+b").truncate(size // 2)
        client.settimeout(30)
        last = b""
        while more := client.recv(1 << 20):
            last = (last + more)[-64:]
    assert not last.endswith(b"\r\n0\r\n\r\n")
    assert archive.get("/system").status_code == 200


def peak_of(archive: Archive) -> int:
    """The most memory that Orthanc ever held, in bytes."""
    status = Path(f"/proc/{archive.server.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
