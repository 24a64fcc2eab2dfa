"""A DICOMClient over an archive, in a folder or in a bucket."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from framecache.client.archive.archive_collection import ArchiveCollection
from framecache.client.archive.retrieval import ArchiveMetadata, ArchiveOpener
from framecache.client.collection_client import BULK_DATA_THRESHOLD, CollectionClient
from framecache.client.errors import as_client_errors


class DICOMs3Client(CollectionClient):
    """All that an archive shows which `framecache archive add` made: `file:///…`, `s3://…`, `gs://…` or `az://…`.

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
    ) -> None:
        """Open the archive at `url`. Credentials come from the environment, as obstore reads them, or from `options`.

        What is read of its index is kept on this machine, in `db_dir`, else among the user's caches, or in memory.
        Raises NotFoundError where there is no archive, ForbiddenError, UnreachableError.
        """
        path = None if in_memory else _index_path(url, db_dir)
        with as_client_errors(url):
            self._archive = ArchiveCollection(url.rstrip("/"), path, options or {}, is_read_only=readonly)
        opener = ArchiveOpener(self._archive)
        metadata = ArchiveMetadata(opener, url.rstrip("/"), bulk_data_threshold, self._archive)
        super().__init__(url, self._archive, opener=opener, metadata=metadata)

    def update(self) -> None:
        """See now what others have added."""
        with as_client_errors(self.base_url):
            self._archive.index.refresh(0)


def _index_path(url: str, db_dir: Path | str | None) -> Path | None:
    """One for each archive; None where no folder for it can be written."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "framecache"
    folder = Path(db_dir) if db_dir is not None else caches
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    name = hashlib.sha256(f"archive {url.rstrip('/')}".encode()).hexdigest()[:32]
    return folder / f"{name}.sqlite" if os.access(folder, os.W_OK) else None
