"""An archive and its index, opened when they are needed: by each process that has a copy of the client anew."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from framecache.client.archive.archive_index import ArchiveIndex
from framecache.client.archive.folder_objects import FolderObjects
from framecache.client.archive.obstore_forks import check_fork
from framecache.client.forks import FORKS, ForkAware
from framecache.client.index.local_index import LocalIndex
from framecache.errors import NotFound
from framecache.tree.layout import FORMAT_KEY
from framecache.tree.objects import open_objects
from framecache.tree.tree import Tree

_REFRESH_SECONDS = 5.0


class OpenedArchive(ForkAware):
    """It pickles, and may be carried over a fork: its threads and connections are never those of another process."""

    def __init__(self, url: str, index_path: Path | None, options: Mapping[str, Any]) -> None:
        """Raises NotFound where there is no archive, ArchiveError where it cannot be read."""
        self._url, self._options = url, options
        self._index = LocalIndex(index_path)
        self._opened: tuple[Tree, ArchiveIndex] | None = None
        self.after_fork()
        FORKS.tell(self)
        if self.tree.objects.head(FORMAT_KEY) is None:
            raise NotFound("there is no archive: `framecache archive add` makes one")

    def after_fork(self) -> None:
        """A new process has none of the threads that were begun."""
        self._lock, self._opened = threading.Lock(), None

    def __getstate__(self) -> dict[str, Any]:
        return {"_url": self._url, "_options": self._options, "_index": self._index}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.after_fork()
        FORKS.tell(self)

    @property
    def tree(self) -> Tree:
        """The archive."""
        return self._of_process()[0]

    @property
    def index(self) -> ArchiveIndex:
        """Its index."""
        return self._of_process()[1]

    def close(self) -> None:
        """End the threads, and close the index."""
        if self._opened is not None:
            self._opened[0].close()
        self._opened = None
        self._index.close()

    def _of_process(self) -> tuple[Tree, ArchiveIndex]:
        with self._lock:
            if self._opened is None:
                tree = self._open()
                self._opened = tree, ArchiveIndex(tree, self._index, _REFRESH_SECONDS)
            return self._opened

    def _open(self) -> Tree:
        parts = urlsplit(self._url)
        if parts.scheme == "file":
            folder = Path(unquote(parts.path))
            if not folder.is_dir():
                raise NotFound("there is no such folder")
            return Tree.of_objects(FolderObjects(open_objects(self._url).store, folder))
        check_fork()
        return Tree.open(self._url, options=self._options)
