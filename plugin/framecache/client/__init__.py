"""DICOMClients over folders, archives, the web, and several of them. Importable without Orthanc."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framecache.client.composed.composed_client import ComposedClient
from framecache.client.composed.sources import SourceFailure
from framecache.client.errors import (
    ClientError,
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    NotAcceptableError,
    NotFoundError,
    UnreachableError,
    UnreadableError,
)
from framecache.client.files.file_client import DICOMfileClient
from framecache.client.files.importing import Imported
from framecache.client.files.scanning import Progress
from framecache.client.opening import open_client

if TYPE_CHECKING:
    from framecache.client.archive.archive_client import DICOMs3Client
    from framecache.client.web.web_client import DICOMwebClient

__all__ = [
    "ClientError",
    "ComposedClient",
    "ConflictError",
    "DICOMfileClient",
    "DICOMs3Client",
    "DICOMwebClient",
    "ForbiddenError",
    "Imported",
    "InvalidRequestError",
    "NotAcceptableError",
    "NotFoundError",
    "Progress",
    "SourceFailure",
    "UnreachableError",
    "UnreadableError",
    "open_client",
]


def __getattr__(name: str) -> Any:
    """What needs an optional extra, or imports numpy, is imported when it is asked for."""
    if name == "DICOMwebClient":
        from framecache.client.web.web_client import DICOMwebClient  # noqa: PLC0415

        return DICOMwebClient
    if name != "DICOMs3Client":
        raise AttributeError(name)
    try:
        from framecache.client.archive.archive_client import DICOMs3Client  # noqa: PLC0415
    except ImportError as error:
        raise ImportError("archives need obstore: pip install 'framecache[archive]'") from error
    return DICOMs3Client
