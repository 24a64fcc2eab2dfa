"""A client of each kind, over the same instances."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import cast

import obstore
import pytest
from dicomweb_client.protocol import DICOMClient
from framecache.client import ComposedClient, DICOMfileClient, DICOMs3Client, DICOMwebClient
from framecache.tree.opening import open_tree
from framecache.tree.source import Source
from framecache.tree.writer import Added

from dev.s3 import S3Server
from tests.clients.conformance.corpus import files
from tests.integration.archive import running

Opened = AbstractContextManager[DICOMClient]


@contextmanager
def of_files(folder: Path) -> Iterator[DICOMClient]:
    for name, content in files():
        path = folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with DICOMfileClient(folder / "files", db_dir=folder / "index") as client:
        yield client


@contextmanager
def of_the_web(folder: Path) -> Iterator[DICOMClient]:
    """dicomweb-client's, with retries and concurrent requests, over an Orthanc with the plugin."""
    with running("forky", folder / "orthanc", {"KeepAlive": True}, in_order=False) as archive:
        for _, content in files():
            archive.upload(content)
        # Its `protocol` is never None, which the protocol allows: for mypy that is another type.
        yield cast("DICOMClient", DICOMwebClient(f"{archive.server.url}/dicom-web"))


@contextmanager
def of_an_archive(folder: Path) -> Iterator[DICOMClient]:
    url = (folder / "archive").as_uri()
    with open_tree(url) as tree:
        for outcome in tree.add(Source.content(content, name) for name, content in files()):
            assert isinstance(outcome, Added)
    with DICOMs3Client(url, db_dir=folder / "index") as client:
        yield client


@contextmanager
def composed(folder: Path) -> Iterator[DICOMClient]:
    """Of two folders; each has a part of the instances, and both have one."""
    for number, (_, content) in enumerate(files()):
        for part in range(2):
            path = folder / f"part{part}" / str(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            if number % 2 == part or number == 1:
                path.write_bytes(content)
    parts = [DICOMfileClient(folder / f"part{part}", db_dir=folder / f"index{part}") for part in range(2)]
    with ComposedClient(parts, sequential=False) as client:
        yield client


@contextmanager
def of_a_bucket(server: S3Server) -> Iterator[DICOMClient]:
    """Of bare objects in a bucket of its own."""
    name = f"images-{uuid.uuid4().hex[:12]}"
    store = server.make_bucket(name)
    for path, content in files():
        obstore.put(store, f"any/{path}", content)
    with DICOMs3Client(f"s3://{name}/any", options=server.settings) as client:
        yield client


BUCKET = "bucket"
OF_A_FOLDER: dict[str, Callable[[Path], Opened]] = {
    "files": of_files,
    "archive": of_an_archive,
    "composed": composed,
    "web": of_the_web,
}
KINDS = (*OF_A_FOLDER, BUCKET)


@pytest.fixture(scope="session")
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Opened]:
    """Opens a client of a kind, over instances of its own."""

    def open_client(kind: str) -> Opened:
        if kind == BUCKET:
            return of_a_bucket(request.getfixturevalue("s3_server"))
        return OF_A_FOLDER[kind](tmp_path_factory.mktemp(kind))

    return open_client


@pytest.fixture(
    scope="session", params=[pytest.param(kind, marks=[pytest.mark.orthanc] if kind == "web" else []) for kind in KINDS]
)
def kind(request: pytest.FixtureRequest) -> str:
    """The name of the kind of client."""
    return str(request.param)


@pytest.fixture(scope="session")
def client(kind: str, opened: Callable[[str], Opened]) -> Iterator[DICOMClient]:
    with opened(kind) as client:
        yield client
