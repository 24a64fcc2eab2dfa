"""A DICOMClient over an archive, in a folder or in a bucket."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from framecache.client.addresses import BUCKETS, folder_of
from framecache.client.archive.archive_collection import ArchiveCollection
from framecache.client.archive.retrieval import ArchiveMetadata, ArchiveOpener
from framecache.client.bucket.bucket_collection import BucketCollection
from framecache.client.collection_client import BULK_DATA_THRESHOLD, CollectionClient
from framecache.client.errors import InvalidRequestError, as_client_errors
from framecache.client.files.file_collection import default_index_path
from framecache.errors import NotFound

_VARIABLES = ("AWS_", "AZURE_", "GOOGLE_")  # obstore's
_OF_SERVERS = ("endpoint", "base_url", "emulator", "account_name")


class DICOMs3Client(CollectionClient):
    """All that an archive at `file:///…`, `s3://…`, `gs://…` or `az://…` shows, whoever wrote it. In a bucket without
    an archive, all DICOM objects whose keys begin with the prefix.

    Others may add to the archive meanwhile: what they add is seen within seconds. Files are rebuilt, as an archive does
    not keep them: they have all attributes and frames, but in Explicit VR Little Endian where the original had native
    frames, and without its offset tables, its order of fragments and its character set.
    """

    def __init__(
        self,
        url: str,
        db_dir: Path | str | None = None,
        in_memory: bool = False,  # noqa: FBT001, FBT002 - as DICOMfileClient
        readonly: bool = False,  # noqa: FBT001, FBT002
        options: Mapping[str, Any] | None = None,
        bulk_data_threshold: int = BULK_DATA_THRESHOLD,
        *,
        update_db: bool = True,
    ) -> None:
        """Open the archive at `url`. Credentials come from the environment, as obstore reads them, or from `options`.

        What is read of its index is kept on this machine, in `db_dir`, else among the user's caches, or in memory.
        A bucket without an archive that nobody has indexed is indexed, unless `update_db` is False; the index of an
        archive is always up to date. Raises InvalidRequestError for a path or another URL, NotFoundError where there
        is no archive, ForbiddenError, UnreachableError.
        """
        check_url(url)
        path = None if in_memory else _index_path(url, db_dir, options or {})
        base_url = url.rstrip("/")
        with as_client_errors(url):
            self._objects = _collection(base_url, path, options or {}, is_read_only=readonly)
        if isinstance(self._objects, BucketCollection):
            super().__init__(base_url, self._objects, bulk_data_threshold=bulk_data_threshold)
            if update_db:
                self._index_once()
            return
        opener = ArchiveOpener(self._objects)
        metadata = ArchiveMetadata(opener, base_url, bulk_data_threshold, self._objects)
        super().__init__(base_url, self._objects, opener=opener, metadata=metadata)

    def update(self) -> None:
        """See now what others have added to an archive; index what is new in a bucket, for all its readers."""
        with as_client_errors(self.base_url):
            self._objects.update()

    def _index_once(self) -> None:
        """A bucket that nobody has indexed yet, unless this user may not write there."""
        assert isinstance(self._objects, BucketCollection)  # noqa: S101 - for mypy
        with as_client_errors(self.base_url):
            if not self._objects.has_index():
                self._objects.update()


def check_url(url: str) -> None:
    """Raises InvalidRequestError unless it names a folder, or a bucket."""
    parts = urlsplit(url) if isinstance(url, str) else urlsplit("")
    if parts.scheme == "file":
        folder_of(url)
    elif parts.scheme not in BUCKETS:
        message = f"an archive or bucket is named by a URL: file:///folder, {', '.join(BUCKETS[:3])}://bucket/prefix"
        raise InvalidRequestError(message, str(url))
    elif not parts.netloc:
        raise InvalidRequestError("the URL names no bucket", url)


def _collection(
    url: str, index_path: Path | None, options: Mapping[str, Any], *, is_read_only: bool
) -> ArchiveCollection | BucketCollection:
    """A bucket without an archive has bare objects; a folder without one is for DICOMfileClient."""
    try:
        return ArchiveCollection(url, index_path, options, is_read_only=is_read_only)
    except NotFound:
        if url.startswith("file:"):
            raise
        return BucketCollection(url, options, _beside(index_path), is_read_only=is_read_only)


def _beside(path: Path | None) -> Path | None:
    """Where the index of bare objects is: what is there may become an archive."""
    return path and path.with_name(f"{path.stem}-objects.sqlite")


def _servers(options: Mapping[str, Any]) -> list[str]:
    """What the same URL means different buckets by: the servers and accounts that obstore is told."""
    environment = {name: value for name, value in os.environ.items() if name.startswith(_VARIABLES)}
    told = {name.lower(): value for name, value in {**environment, **options}.items()}
    return [f"{name}={value}" for name, value in sorted(told.items()) if any(word in name for word in _OF_SERVERS)]


def _index_path(url: str, db_dir: Path | str | None, options: Mapping[str, Any]) -> Path | None:
    """One for each archive; None where no folder for it can be written."""
    try:
        folder = Path(db_dir) if db_dir is not None else default_index_path(Path()).parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # the latter where the user has no home, as in containers
        return None
    place = " ".join(["archive", url.rstrip("/"), *([] if url.startswith("file:") else _servers(options))])
    name = hashlib.sha256(place.encode()).hexdigest()[:32]
    return folder / f"{name}.sqlite" if os.access(folder, os.W_OK) else None
