"""DICOMClient over a folder of files: `from framecache.client import DICOMfileClient`. Importable without Orthanc."""

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

__all__ = [
    "ClientError",
    "ConflictError",
    "DICOMfileClient",
    "ForbiddenError",
    "InvalidRequestError",
    "NotAcceptableError",
    "NotFoundError",
    "Progress",
    "UnreachableError",
    "UnreadableError",
]
