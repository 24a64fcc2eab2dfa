"""Metadata: the stock plugin's, of exactly the instances that are there, and kept for the next who asks."""

from __future__ import annotations

import json
import re
import shutil
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import requests
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, CTImageStorage

from dev.console import CHECKOUT
from dev.orthanc_server import PLUGINS
from tests.integration.archive import Archive, Endings, restart, running, wait_until

pytestmark = pytest.mark.orthanc

EXPLICIT = "1.2.840.10008.1.2.1"
XML = 'multipart/related; type="application/dicom+xml"'


def uid(name: str) -> str:
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'framecache metadata {name}').int}"


@dataclass(frozen=True)
class Slice:
    """One image of a study: of its series, by its number in that."""

    study: str
    number: int
    series: int = 1
    patient_name: str = "Slice^One"

    @property
    def uids(self) -> tuple[str, str, str]:
        series = f"{self.study} {self.series}"
        return uid(self.study), uid(series), uid(f"{series} {self.number}")

    @property
    def series_path(self) -> str:
        return f"/dicom-web/studies/{self.uids[0]}/series/{self.uids[1]}"

    @property
    def path(self) -> str:
        return f"{self.series_path}/instances/{self.uids[2]}"

    def file(self, transfer_syntax_uid: str = EXPLICIT) -> bytes:
        dataset = Dataset()
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = self.uids
        dataset.SOPClassUID, dataset.PatientID, dataset.PatientName = CTImageStorage, self.study, self.patient_name
        dataset.InstanceNumber, dataset.Modality, dataset.ImagePositionPatient = (
            self.number,
            "CT",
            [1.5, 2, self.number],
        )
        dataset.Rows = dataset.Columns = 32
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
        dataset.PixelData = bytes(2 * 32 * 32)
        dataset["PixelData"].VR = "OW"
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
        stream = BytesIO()
        dcmwrite(stream, dataset, enforce_file_format=True)
        return stream.getvalue()


BUCKET_SCRIPT = str(CHECKOUT / "dev/storage_in_bucket.py")
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "in a folder": {},
    "compressed": {"StorageCompression": True},
    "in a bucket": {"PythonScript": BUCKET_SCRIPT, "FrameCache": {"RevalidateSeconds": 0}},
}


@pytest.fixture(scope="module")
def stock(suite: str, folder: Path) -> Iterator[Archive]:
    """The same routes, left to the stock plugin."""
    with running(suite, folder / "stock", {"FrameCache": {"Metadata": "off"}}, in_order=False) as archive:
        yield archive


@pytest.fixture(scope="module", params=CONFIGURATIONS)
def anywhere(suite: str, folder: Path, request: pytest.FixtureRequest, endings: Endings) -> Iterator[Archive]:
    """Orthancs that keep their files in different places."""
    place, configuration = folder / request.param.replace(" ", "-"), {**CONFIGURATIONS[request.param]}
    if "PythonScript" in configuration:
        (place / "bucket").mkdir(parents=True)
        configuration["StorageBucket"] = (place / "bucket").as_uri()
    with running(suite, place, configuration, plugins=PLUGINS, endings=endings) as archive:
        yield archive


def metadata(archive: Archive, path: str, **headers: str) -> list[dict[str, Any]]:
    answer = archive.get(f"{path}/metadata", **headers)
    assert answer.status_code == 200, (answer.status_code, answer.content[:300])
    assert answer.headers["Content-Type"] == "application/dicom+json"
    found: list[dict[str, Any]] = answer.json()
    return found


def by_uid(archive: Archive, answer: list[dict[str, Any]]) -> dict[str, str]:
    """The order of the stock plugin is that in which its threads end."""
    host = archive.server.url
    return {one["00080018"]["Value"][0]: json.dumps(one, sort_keys=True).replace(host, "http://host") for one in answer}


def numbers(archive: Archive, path: str) -> set[int]:
    return {int(one["00200013"]["Value"][0]) for one in metadata(archive, path)}


def name_of(archive: Archive, one: Slice) -> str:
    (found,) = metadata(archive, one.path)
    return str(found["00100010"]["Value"][0]["Alphabetic"])


STUDY = [Slice("a study", number, series) for series in (1, 2) for number in range(1, 4)]


@pytest.fixture(scope="module")
def stored(archive: Archive, stock: Archive) -> list[str]:
    """A study of two series, in both."""
    for one in STUDY:
        stock.upload(one.file())
    return [archive.upload(one.file()) for one in STUDY]


PLACES = [f"/dicom-web/studies/{STUDY[0].uids[0]}", STUDY[0].series_path, STUDY[0].path]


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/dicom+json", "application/*"])
@pytest.mark.parametrize("path", PLACES, ids=["study", "series", "instance"])
def test_json_is_the_stock_plugin_s(archive: Archive, stock: Archive, path: str, accept: str | None) -> None:
    headers = {"accept": accept} if accept else {}
    ours, stocks = metadata(archive, path, **headers), metadata(stock, path, **headers)

    assert by_uid(archive, ours) == by_uid(stock, stocks)
    assert len(ours) == {PLACES[0]: 6, PLACES[1]: 3, PLACES[2]: 1}[path]
    assert archive.get(f"{path}/metadata/", **headers).json() == ours, "a trailing slash is nothing"


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("path", PLACES, ids=["study", "series", "instance"])
def test_xml_has_the_stock_plugin_s_attributes(archive: Archive, stock: Archive, path: str) -> None:
    def attributes(answer: requests.Response) -> list[list[tuple[str | None, str | None]]]:
        assert answer.headers["Content-Type"].startswith('multipart/related; type="application/dicom+xml"; boundary=')
        models = re.findall(rb"<\?xml.*?</NativeDicomModel>", answer.content, re.DOTALL)
        roots = [ElementTree.fromstring(model) for model in models]  # noqa: S314 - it is ours
        return sorted([(one.get("tag"), one.get("vr")) for one in root] for root in roots)

    ours, stocks = (one.get(f"{path}/metadata", accept=XML) for one in (archive, stock))
    assert attributes(ours) == attributes(stocks)


@pytest.mark.usefixtures("stored")
def test_bulk_data_is_where_the_answer_says(archive: Archive) -> None:
    (one,) = metadata(archive, STUDY[0].path)
    assert requests.get(one["7FE00010"]["BulkDataURI"], timeout=30).status_code == 200


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/dicom-web/studies/1.2.3/metadata", 404),
        (f"/dicom-web/studies/{STUDY[0].uids[0]}/series/1.2.3/metadata", 404),
        (f"/dicom-web/studies/1.2.3/series/{STUDY[0].uids[1]}/metadata", 404),
        (f"{STUDY[0].series_path}/instances/1.2.3/metadata", 404),
        (f"{STUDY[0].series_path}/instances/{STUDY[3].uids[2]}/metadata", 404),
        (f"{STUDY[0].series_path}%20/metadata", 404),
    ],
)
def test_what_is_not_there_is_not_found_as_by_the_stock_plugin(
    archive: Archive, stock: Archive, path: str, status: int
) -> None:
    assert [one.get(path).status_code for one in (archive, stock)] == [status, status]


@pytest.mark.usefixtures("stored")
def test_other_methods_and_media_types_are_refused(archive: Archive) -> None:
    path = f"{STUDY[0].series_path}/metadata"
    for method in ("POST", "PUT", "DELETE"):
        answer = archive.ask(method, path)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
    refused = archive.get(path, accept="text/html")
    assert (refused.status_code, refused.json()["Available"][0]) == (406, "application/dicom+json")
    assert archive.get(f"{path}?accept=text/html", accept="application/json").status_code == 200


@pytest.mark.usefixtures("stored")
def test_a_client_that_has_it_is_told_so_and_one_that_takes_gzip_gets_it(archive: Archive) -> None:
    path = f"{STUDY[0].series_path}/metadata"
    packed, plain = (archive.get(path, accept_encoding=coding) for coding in ("gzip", "identity"))
    assert (packed.headers["Content-Encoding"], "Content-Encoding" in plain.headers) == ("gzip", False)
    assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 2
    assert packed.content == plain.content
    for answer, coding in ((packed, "gzip"), (plain, "identity")):
        again = archive.get(path, accept_encoding=coding, if_none_match=answer.headers["ETag"])
        assert (again.status_code, again.content) == (304, b"")
    assert archive.get(path, accept_encoding="gzip", if_none_match=plain.headers["ETag"]).status_code == 200


def test_what_orthanc_compresses_is_compressed_once(suite: str, tmp_path: Path) -> None:
    with running(suite, tmp_path, {"HttpCompressionEnabled": True}, in_order=False) as archive:
        slices = [
            Slice("compressed answers", number) for number in range(5)
        ]  # Orthanc leaves short answers as they are
        for one in slices:
            archive.upload(one.file())
        answer = archive.get(f"{slices[0].series_path}/metadata", accept_encoding="gzip")

        assert answer.headers["Content-Encoding"] == "gzip"
        assert len(answer.json()) == len(slices)


def test_what_arrives_is_kept_and_outlives_a_restart(archive: Archive) -> None:
    slices = [Slice("kept", number) for number in range(30)]
    before = archive.status()["MetadataInstances"]
    for one in slices:
        archive.upload(one.file())
    wait_until(lambda: archive.status()["MetadataInstances"] >= before + len(slices))

    restart(archive)
    answer = archive.get(f"{slices[0].series_path}/metadata")
    assert (answer.headers["X-Frame-Cache"], len(answer.json())) == ("hit", len(slices))


def test_wherever_the_files_are_each_answer_is_of_what_is_there(anywhere: Archive, stock: Archive) -> None:
    one, other = Slice("anywhere", 1), Slice("anywhere", 2)
    orthanc_id = anywhere.upload(one.file())
    assert numbers(anywhere, one.series_path) == {1}
    anywhere.upload(other.file())
    assert numbers(anywhere, one.series_path) == {1, 2}
    for where in (one.path, one.series_path):
        anywhere.upload(replace(one, patient_name=f"Replaced^{len(where)}").file())
        assert name_of(anywhere, one) == f"Replaced^{len(where)}"
        assert f"Replaced^{len(where)}" in anywhere.get(f"{where}/metadata").text
    for action in ("compress", "uncompress"):
        answer = anywhere.ask("POST", f"/instances/{orthanc_id}/attachments/dicom/{action}")
        assert answer.status_code == 200, answer.content
        assert numbers(anywhere, one.series_path) == {1, 2}
    stock.upload(other.file())
    assert by_uid(anywhere, metadata(anywhere, other.path)) == by_uid(stock, metadata(stock, other.path))
    anywhere.delete(f"/instances/{orthanc_id}")
    assert numbers(anywhere, one.series_path) == {2}
    assert anywhere.get(f"{one.path}/metadata").status_code == 404


class Readers:
    """Two clients that ask for a series all the time, and compare what they are told with what Orthanc has answered."""

    def __init__(self, archive: Archive, path: str) -> None:
        self._archive, self._path = archive, path
        self.stored, self.doomed, self.deleted = set[int](), set[int](), set[int]()
        self.wrong: list[str] = []
        self._has_ended = threading.Event()
        self._threads = [threading.Thread(target=self._read) for _ in range(2)]

    def __enter__(self) -> Readers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._has_ended.set()
        for thread in self._threads:
            thread.join()

    def _read(self) -> None:
        while not self._has_ended.is_set():
            stored, deleted = set(self.stored), set(self.deleted)
            found = numbers(self._archive, self._path)
            if lacking := stored - found - self.doomed:
                self.wrong.append(f"lacks {lacking}")
            if known := found & deleted:
                self.wrong.append(f"still has {known}")


def test_no_answer_lacks_what_is_stored_or_has_what_was_deleted(archive: Archive) -> None:
    slices = [Slice("hammered", number) for number in range(40)]
    path = slices[0].series_path
    archive.upload(slices[0].file())
    with Readers(archive, path) as readers:
        for one in slices[1:]:
            orthanc_id = archive.upload(one.file())
            readers.stored.add(one.number)
            assert one.number in numbers(archive, path)
            if one.number % 3 == 0:
                archive.upload(replace(one, patient_name=f"Again^{one.number}").file())
                assert name_of(archive, one) == f"Again^{one.number}"
            if one.number % 4 == 0:
                readers.doomed.add(one.number)
                archive.delete(f"/instances/{orthanc_id}")
                readers.deleted.add(one.number)
                assert one.number not in numbers(archive, path)
    assert readers.wrong == []


def test_a_cache_that_is_lost_costs_only_time(suite: str, tmp_path: Path) -> None:
    with running(suite, tmp_path, in_order=False) as archive:
        slices = [Slice("lost", number) for number in range(5)]
        for one in slices:
            archive.upload(one.file())
        wait_until(lambda: archive.status()["MetadataInstances"] == len(slices))
        first = metadata(archive, slices[0].series_path)
        shutil.rmtree(archive.server.folder / "FrameCache")

        assert metadata(archive, slices[0].series_path) == first
        archive.upload(Slice("lost", 5).file())
        assert numbers(archive, slices[0].series_path) == set(range(6))
        wait_until(lambda: archive.status()["Degraded"] is None and not archive.advice())
        assert numbers(archive, slices[0].series_path) == set(range(6))


def test_a_site_may_keep_that_of_cached_instances_alone(suite: str, tmp_path: Path) -> None:
    with running(suite, tmp_path, {"FrameCache": {"Metadata": "cached instances"}}, in_order=False) as archive:
        one = Slice("not kept", 1)
        archive.upload(one.file())

        for _ in range(2):
            assert numbers(archive, one.series_path) == {1}
        assert archive.status()["MetadataInstances"] == 0


def test_the_stock_plugin_s_own_cache_is_told_of_where_it_is_on(suite: str, stock: Archive, tmp_path: Path) -> None:
    with running(suite, tmp_path, {"DicomWeb": {"Enable": True}}, in_order=False) as archive:
        assert "EnableMetadataCache" in archive.advice()["MetadataCache"]
    assert stock.advice() == {}
