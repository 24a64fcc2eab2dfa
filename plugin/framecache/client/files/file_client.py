"""A DICOMClient over a folder of DICOM files."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from framecache.client.addresses import folder_of
from framecache.client.collection_client import BULK_DATA_THRESHOLD, CollectionClient
from framecache.client.errors import ForbiddenError, NotFoundError, as_client_errors
from framecache.client.files.file_collection import FileCollection, default_index_path
from framecache.client.files.importing import Imported
from framecache.client.files.scanning import Progress, Report

logger = logging.getLogger(__name__)

_INDEX_NAME = ".framecache-index.sqlite"


class DICOMfileClient(CollectionClient):
    """All DICOM files (PS3.10) below a folder, whatever its shape; with dicomweb-client's arguments, and three more.

    What other programs store, change and remove there is seen by `update`, and when it is retrieved.
    """

    def __init__(
        self,
        url: str | Path,
        update_db: bool = True,  # noqa: FBT001, FBT002 - dicomweb-client's
        recreate_db: bool = False,  # noqa: FBT001, FBT002
        in_memory: bool = False,  # noqa: FBT001, FBT002
        db_dir: Path | str | None = None,
        readonly: bool = False,  # noqa: FBT001, FBT002
        progress: Report | None = None,
        index_from: Path | str | None = None,
        bulk_data_threshold: int = BULK_DATA_THRESHOLD,
    ) -> None:
        """Open `url`, a file URL or a path, and bring its index up to date unless `update_db` is False.

        The index lies in the folder `db_dir`, else among the user's caches ($XDG_CACHE_HOME), so that a folder may be
        read-only; where neither can be written, or with `in_memory`, in memory. `recreate_db` makes it anew.
        `readonly` forbids to store and delete. `progress` is called while files are read. `index_from` is
        an exported index, which is taken before the folder is looked at. Raises NotFoundError, ForbiddenError,
        UnreachableError, InvalidRequestError.
        """
        folder = folder_of(url)
        if not folder.is_dir():
            raise NotFoundError("there is no such folder", folder.as_uri())
        path = None if in_memory else _index_path(folder, db_dir)
        if recreate_db and path is not None:
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
        self._files = FileCollection(folder, path, is_read_only=readonly)
        super().__init__(folder.as_uri(), self._files, bulk_data_threshold=bulk_data_threshold)
        if index_from is not None:
            self.import_index(index_from)
        if update_db or (self._files.index.is_writable and not self.counts()):
            self._begin(progress)

    def update(self, progress: Report | None = None) -> Progress:
        """Bring the index up to date, and return what was found. Readers, of other processes too, go on meanwhile.

        Raises ForbiddenError where the index may only be read, UnreachableError where the folder cannot be.
        """
        with as_client_errors(self.base_url):
            return self._files.update(progress)

    def export_index(self, path: Path | str) -> int:
        """Write the index to the file `path`, as JSON lines (.jsonl), Parquet (.parquet) or a DICOM Inventory (.dcm).

        Returns of how many instances. Raises InvalidRequestError for another suffix, UnreachableError where it cannot
        be written, ImportError where pyarrow, which is in the extra `parquet`, is missing.
        """
        with as_client_errors(self.base_url):
            return self._files.export_index(Path(path))

    def import_index(self, path: Path | str) -> Imported:
        """Take what an exported index says of files that are here unchanged; `update` reads the others.

        Raises InvalidRequestError where it is no such file, or one of another version of this package, ForbiddenError
        where the index may only be read, UnreachableError, ImportError.
        """
        with as_client_errors(self.base_url):
            return self._files.import_index(Path(path))

    def counts(self) -> dict[str, int]:
        """How many files are instances, duplicates of them, and others, which are no DICOM instances."""
        with as_client_errors(self.base_url):
            return self._files.index.counts()

    def _begin(self, progress: Report | None) -> None:
        try:
            self.update(progress)
        except ForbiddenError:
            logger.info("using an index that may only be read, as it is")


def _index_path(folder: Path, db_dir: Path | str | None) -> Path | None:
    """Where the index is; None where no folder for it can be written."""
    try:
        path = Path(db_dir) / _INDEX_NAME if db_dir is not None else default_index_path(folder)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # the latter where the user has no home, as in containers
        return None
    return path if path.exists() or os.access(path.parent, os.W_OK) else None
