"""URLs and paths of folders and buckets."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from framecache.client.errors import InvalidRequestError

BUCKETS = ("s3", "gs", "az", "s3a", "azure", "abfs", "abfss")


def folder_of(url_or_path: str | Path) -> Path:
    """The folder of a file URL, or of a path. Raises InvalidRequestError."""
    text = str(url_or_path)
    if not text:  # as a variable of a shell that is not set; it would be the current folder
        raise InvalidRequestError("the path of the folder is empty")
    if not text.startswith("file:"):
        return Path(text).absolute()
    address = urlsplit(text)
    if address.netloc not in ("", "localhost") or not address.path.startswith("/"):  # RFC 8089 section 2
        raise InvalidRequestError("a file URL names a folder of this machine: file:///path", text)
    return Path(unquote(address.path))
