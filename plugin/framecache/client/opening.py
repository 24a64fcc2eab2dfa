"""The client for a URL: what a program or a command is given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from framecache.client.addresses import BUCKETS, folder_of
from framecache.client.errors import InvalidRequestError
from framecache.client.files.file_client import DICOMfileClient

if TYPE_CHECKING:
    from dicomweb_client.protocol import DICOMClient


def open_client(url: str | Path, **options: Any) -> DICOMClient:
    """The client of a folder (`file:///…`, or a path), of an archive in a folder or in a bucket (`s3://…`, `gs://…`,
    `az://…`), or of a DICOMweb server (`https://…/dicom-web`).

    `options` are the arguments of DICOMfileClient, DICOMs3Client or DICOMwebClient. Raises InvalidRequestError for
    another scheme, or an option that this client does not have, NotFoundError where there is no such folder or archive.
    """
    try:
        return _opened(url, options)
    except InvalidRequestError:
        raise
    except TypeError as error:
        raise InvalidRequestError(str(error), str(url)) from error


def _opened(url: str | Path, options: dict[str, Any]) -> DICOMClient:
    scheme = urlsplit(str(url)).scheme
    if scheme in ("", "file"):
        folder = folder_of(url)
        return _archive(folder.as_uri(), options) if _is_archive(folder) else DICOMfileClient(url, **options)
    if scheme in BUCKETS:
        return _archive(str(url), options)
    if scheme in ("http", "https"):
        from framecache.client.web.web_client import DICOMwebClient  # noqa: PLC0415 - it imports numpy

        # Its `protocol` is never None, which the protocol allows: for mypy that is another type.
        return cast("DICOMClient", DICOMwebClient(str(url), **options))
    raise InvalidRequestError(f"no client opens a URL of the scheme {scheme}", str(url))


def _is_archive(folder: Path) -> bool:
    """Whether `framecache archive` made it; other programs may have a file of that name, too."""
    try:
        return bool(json.loads((folder / "archive.json").read_bytes())["format"] == "framecache-archive")
    except (OSError, ValueError, TypeError, KeyError):
        return False


def _archive(url: str, options: dict[str, Any]) -> DICOMClient:
    from framecache.client import DICOMs3Client  # noqa: PLC0415 - needs an optional extra

    return DICOMs3Client(url, **options)
