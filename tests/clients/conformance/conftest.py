"""A client of each kind, over the same instances."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import cast

import pytest
from dicomweb_client import DICOMwebClient
from dicomweb_client.protocol import DICOMClient
from framecache.client import DICOMfileClient

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
    """dicomweb-client's own, over an Orthanc with the plugin."""
    with running("forky", folder / "orthanc", {"KeepAlive": True}, in_order=False) as archive:
        for _, content in files():
            archive.upload(content)
        # Its `protocol` is never None, which the protocol allows: for mypy that is another type.
        yield cast("DICOMClient", DICOMwebClient(f"{archive.server.url}/dicom-web"))


KINDS: dict[str, Callable[[Path], Opened]] = {"files": of_files, "web": of_the_web}


@pytest.fixture(
    scope="session", params=[pytest.param(kind, marks=[pytest.mark.orthanc] if kind == "web" else []) for kind in KINDS]
)
def kind(request: pytest.FixtureRequest) -> str:
    """The name of the kind of client."""
    return str(request.param)


@pytest.fixture(scope="session")
def client(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DICOMClient]:
    with KINDS[kind](tmp_path_factory.mktemp(kind)) as client:
        yield client
