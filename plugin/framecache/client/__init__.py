"""DICOMClients over folders, archives, the web, and several of them. Importable without Orthanc."""

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
from framecache.client.files.scanning import Progress
from framecache.client.opening import open_client

__all__ = [
    "ClientError",
    "ComposedClient",
    "ConflictError",
    "DICOMfileClient",
    "ForbiddenError",
    "InvalidRequestError",
    "NotAcceptableError",
    "NotFoundError",
    "Progress",
    "SourceFailure",
    "UnreachableError",
    "UnreadableError",
    "open_client",
]
