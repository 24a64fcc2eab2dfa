"""The client for a URL: what a program or a command is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from framecache.client.errors import InvalidRequestError
from framecache.client.files.file_client import DICOMfileClient

if TYPE_CHECKING:
    from dicomweb_client.protocol import DICOMClient


def open_client(url: str | Path, **options: Any) -> DICOMClient:
    """The client of a folder (`file:///…`, or a path) or of a DICOMweb server (`https://…/dicom-web`).

    `options` are the arguments of DICOMfileClient, or of dicomweb-client's DICOMwebClient. Raises InvalidRequestError
    for another scheme, NotFoundError where there is no such folder.
    """
    scheme = urlsplit(str(url)).scheme
    if scheme in ("", "file"):
        return DICOMfileClient(url, **options)
    if scheme in ("http", "https"):
        from dicomweb_client import DICOMwebClient  # noqa: PLC0415 - it imports numpy

        # Its `protocol` is never None, which the protocol allows: for mypy that is another type.
        return cast("DICOMClient", DICOMwebClient(str(url), **options))
    raise InvalidRequestError(f"no client opens a URL of the scheme {scheme}", str(url))
