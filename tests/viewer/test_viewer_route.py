"""The development script serves OHIF's files, and nothing else."""

from __future__ import annotations

from http.client import HTTPConnection

import pytest
import requests

from dev.ohif import FOLDER
from dev.orthanc_server import OrthancServer

pytestmark = [pytest.mark.viewer, pytest.mark.orthanc]


@pytest.mark.parametrize(
    ("pattern", "content_type"),
    [
        ("*.wasm", "application/wasm"),
        ("app.bundle.*.js", "text/javascript; charset=utf-8"),
        ("app.bundle.css", "text/css"),
        ("assets/*.png", "image/png"),
    ],
)
def test_a_file_is_served_with_its_type(orthanc: OrthancServer, pattern: str, content_type: str) -> None:
    path = next(FOLDER.glob(pattern))

    answer = requests.get(f"{orthanc.url}/ohif/{path.relative_to(FOLDER)}", timeout=60)

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, content_type)
    assert answer.content == path.read_bytes()


@pytest.mark.parametrize("page", ["", "/", "/viewer?StudyInstanceUIDs=1.2", "/local", "/no/such/page"])
def test_every_other_path_is_a_page_of_the_viewer(orthanc: OrthancServer, page: str) -> None:
    answer = requests.get(f"{orthanc.url}/ohif{page}", timeout=60)

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.content == (FOLDER / "index.html").read_bytes()


@pytest.mark.parametrize(
    "path", ["../../orthanc.json", "..%2f..%2forthanc.json", "%2e%2e/%2e%2e/orthanc.json", "/etc/passwd", ".made-from"]
)
def test_no_other_file_can_be_had(orthanc: OrthancServer, path: str) -> None:
    connection = HTTPConnection("127.0.0.1", orthanc.port, timeout=60)
    connection.request("GET", f"/ohif/{path}")  # as it stands: other clients would resolve the dots
    answer = connection.getresponse()
    content = answer.read()
    connection.close()

    assert answer.status == 404 or content == (FOLDER / "index.html").read_bytes()


def test_a_known_file_is_not_sent_again(orthanc: OrthancServer) -> None:
    address = f"{orthanc.url}/ohif/app.bundle.css"
    first = requests.get(address, timeout=60)

    second = requests.get(address, headers={"If-None-Match": first.headers["ETag"]}, timeout=60)

    assert (second.status_code, second.content) == (304, b"")


def test_files_are_only_read(orthanc: OrthancServer) -> None:
    assert requests.post(f"{orthanc.url}/ohif/index.html", data=b"", timeout=60).status_code == 405


@pytest.mark.parametrize("path", ["/app/explorer.html", "/", "/system", "/dicom-web/studies"])
def test_orthanc_keeps_its_own_routes(orthanc: OrthancServer, path: str) -> None:
    answer = requests.get(orthanc.url + path, timeout=60)

    assert answer.status_code == 200
    assert "OHIF" not in answer.text
