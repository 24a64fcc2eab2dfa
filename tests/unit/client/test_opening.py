"""open_client: which client a URL leads to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from framecache.client import (
    DICOMfileClient,
    DICOMs3Client,
    DICOMwebClient,
    InvalidRequestError,
    NotFoundError,
    open_client,
)
from framecache.tree.opening import open_tree
from framecache.tree.source import Source

from tests.unit.client.instances import stored


def test_the_client_follows_from_the_url(tmp_path: Path) -> None:
    archive, folder = tmp_path / "my archive", tmp_path / "folder"
    folder.mkdir()
    (folder / "archive.json").write_text('["of another program"]')
    with open_tree(archive.as_uri()) as tree:
        list(tree.add([Source.content(stored(1, 1, 1))]))
    expected = {archive.as_uri(): DICOMs3Client, str(archive): DICOMs3Client, folder.as_uri(): DICOMfileClient}
    for url, kind in expected.items():
        with open_client(url, in_memory=True, update_db=False) as client:  # type: ignore[attr-defined]
            assert type(client) is kind
    assert isinstance(open_client("http://127.0.0.1:9/dicom-web"), DICOMwebClient)


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        open_client((tmp_path / "missing").as_uri())
    with pytest.raises(InvalidRequestError):
        open_client("ftp://host/images")


@pytest.mark.parametrize("url", ["", "s3://", "gs:///prefix", "http://127.0.0.1:9/dicom-web"])
def test_what_names_nothing_and_options_that_a_client_lacks_are_refused(url: str) -> None:
    with pytest.raises(InvalidRequestError):
        open_client(url, no_such_option=True)


@pytest.mark.parametrize(
    "url", ["/data/archive", Path("/data"), "", "s3://", "s3:///prefix", "http://host", 7, "file://host/x"]
)
def test_an_archive_is_named_by_a_url(url: Any) -> None:
    with pytest.raises(InvalidRequestError):
        DICOMs3Client(url)
