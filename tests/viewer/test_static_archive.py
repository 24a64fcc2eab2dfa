"""OHIF and dicomweb-client over a static archive, with no Orthanc: nginx before a folder, and a public bucket."""

from __future__ import annotations

import getpass
import json
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from dicomweb_client import DICOMwebClient
from framecache.cli.main import main
from playwright.sync_api import BrowserContext, Playwright
from pydicom import Dataset, dcmread

from bench.nginx import NginxServer
from bench.tools import unpack
from dev.console import CACHE, CHECKOUT
from dev.orthanc_server import free_port
from dev.s3 import S3Server
from dev.sample import Sample
from dev.upload import Instance
from tests.viewer.looking import scroll_through
from tests.viewer.ohif import PATIENCE, chromium_with_profile, tab

pytestmark = [pytest.mark.viewer, pytest.mark.slow]

DOCS = CHECKOUT / "docs/static-archive"
SAMPLES = [Sample(frames=4, rows=512, columns=384, seed=41 + number) for number in range(2)]
SAMPLES[1] = replace(SAMPLES[1], encoding="jpeg-2000")
BULK_DATA = bytes(range(256)) * 100
# What a development server sends beside the archive: the viewer's own files.
VIEWER = """
    location /ohif/ {{
        gzip_static off;
        root {root};
        types {{ text/html html; text/javascript js; text/css css; application/wasm wasm; application/json json; }}
        try_files $uri /ohif/index.html;
    }}
    location / {{"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The samples, one of them with a large value that leaves the metadata."""
    folder = tmp_path_factory.mktemp("files")
    for number, sample in enumerate(SAMPLES):
        data_set = dcmread(sample.write(folder / f"{number}.dcm"))
        data_set.private_block(0x0009, "framecache test", create=True).add_new(1, "OB", BULK_DATA)
        data_set.save_as(folder / f"{number}.dcm")
    return folder


@contextmanager
def nginx(folder: Path, archive: Path) -> Iterator[str]:
    """The documented nginx before an archive, and OHIF beside it."""
    port, user = free_port(), getpass.getuser() if os.getuid() == 0 else ""
    text = (DOCS / "nginx.conf").read_text().replace("/srv/archive", str(archive))
    text = text.replace("listen 8080", f"listen 127.0.0.1:{port}")
    text = text.replace("\n    location / {", VIEWER.format(root=CACHE.resolve()))
    with NginxServer(unpack().nginx, folder, archive, port, workers=1, user=user, servers=text) as server:
        yield server.url


@pytest.fixture(scope="module")
def web(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A folder behind nginx."""
    root = tmp_path_factory.mktemp("web")
    assert main(["archive", "add", str(files), "--to", str(root / "archive"), "--json"]) == 0
    with nginx(root / "nginx", root / "archive") as url:
        yield url


@pytest.fixture(scope="module")
def bucket(files: Path, s3_server: S3Server) -> str:
    """The address of an archive in a bucket that anybody may read."""
    name = f"archive-{uuid.uuid4().hex[:12]}"
    s3_server.make_bucket(name, public=True)
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in s3_server.environment.items():
            patch.setenv(variable, value)
        assert main(["archive", "add", str(files), "--to", f"s3://{name}/of/all", "--json"]) == 0
    return f"{s3_server.public_url(name)}/of/all"


@pytest.fixture(scope="module", params=["folder", "bucket"])
def dicom_web(request: pytest.FixtureRequest) -> str:
    """The root of DICOMweb."""
    if request.param == "bucket":
        found: str = request.getfixturevalue("bucket")
        return found
    return f"{request.getfixturevalue('web')}/dicom-web"


@pytest.fixture(scope="module")
def browser(
    dicom_web: str, playwright: Playwright, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BrowserContext]:
    """With the documented configuration of OHIF, for that root."""
    text = re.sub(r"(Root: )'/dicom-web'", rf"\1{json.dumps(dicom_web)}", (DOCS / "ohif.js").read_text())
    frozen = "Object.defineProperty(window, 'config', {value: window.config, writable: false})"
    with chromium_with_profile(playwright, tmp_path_factory.mktemp("profile")) as browser:
        browser.add_init_script(f"{text};{frozen}")
        yield browser


def instance_of(sample: Sample) -> Instance:
    return Instance("", sample.study_instance_uid, sample.series_instance_uid, sample.sop_instance_uid)


@pytest.mark.parametrize("sample", SAMPLES, ids=["native", "JPEG 2000"])
def test_ohif_opens_a_study_and_scrolls_through_it(
    sample: Sample, web: str, browser: BrowserContext, artifacts: Path, request: pytest.FixtureRequest
) -> None:
    with tab(browser) as ohif:
        answers = scroll_through(ohif, web, instance_of(sample), sample)
        ohif.page.screenshot(path=artifacts / f"{request.node.name.replace('/', ' ')}.png")
    assert {answer.frame_number for answer in answers} == {1, 2, 3, 4}
    assert {answer.status for answer in answers} == {200}


def test_ohif_lists_all_studies(web: str, browser: BrowserContext) -> None:
    with tab(browser) as ohif:
        ohif.page.goto(f"{web}/ohif/")
        ohif.page.get_by_text(str(dataset_of(SAMPLES[0]).PatientID)).first.wait_for(timeout=PATIENCE * 1000)


def dataset_of(sample: Sample) -> Dataset:
    return sample.dataset()


@pytest.mark.parametrize("sample", SAMPLES, ids=["native", "JPEG 2000"])
def test_dicomweb_client_gets_metadata_frames_and_bulk_data(sample: Sample, dicom_web: str, files: Path) -> None:
    client = DICOMwebClient(dicom_web)
    study, series, instance = sample.study_instance_uid, sample.series_instance_uid, sample.sop_instance_uid
    stored = dcmread(files / f"{SAMPLES.index(sample)}.dcm")

    assert study in {one["0020000D"]["Value"][0] for one in client.search_for_studies()}
    [metadata] = client.retrieve_series_metadata(study, series)
    assert metadata["00080018"]["Value"] == [instance]
    [frame] = client.retrieve_instance_frames(study, series, instance, [2])
    assert len(frame) > 1000
    if sample.encoding == "explicit":
        assert frame == stored.PixelData[len(frame) : 2 * len(frame)]

    uri = f"{dicom_web}/studies/{study}/{metadata['00091001']['BulkDataURI']}"
    assert client.retrieve_bulkdata(uri) == [BULK_DATA]


def test_nginx_sends_one_study_compressed_or_not_and_any_origin_may_read_it(web: str) -> None:
    study = SAMPLES[1].study_instance_uid
    asked = f"{web}/dicom-web/studies?StudyInstanceUID={study}&limit=101&offset=0"
    packed, plain = (
        requests.get(asked, headers={"Accept-Encoding": coding}, timeout=30) for coding in ("gzip", "identity")
    )
    unknown = requests.get(f"{web}/dicom-web/studies?StudyInstanceUID=9.9", timeout=30)

    assert (packed.headers.get("Content-Encoding"), plain.headers.get("Content-Encoding")) == ("gzip", None)
    assert [one["0020000D"]["Value"] for one in packed.json()] == [[study]]
    assert packed.json() == plain.json()
    assert packed.headers["Content-Type"] == "application/dicom+json"
    assert packed.headers["Access-Control-Allow-Origin"] == "*"
    assert (unknown.status_code, unknown.json()) == (200, [])


@pytest.mark.parametrize(
    "path",
    [
        "archive.json",
        "dicom-web/archive.json",
        "log/",
        "dicom-web/studies/../archive.json",
        "dicom-web/studies/9.9/series",
    ],
)
def test_nginx_sends_nothing_else(web: str, path: str) -> None:
    session = requests.Session()
    request = session.prepare_request(requests.Request("GET", web))
    request.url = f"{web}/{path}"
    assert session.send(request, timeout=30).status_code == 404
