"""The folder that a cache has for itself: private, locked, and of one version."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import diskcache

from framecache.store.block import CONTENT_VERSION
from framecache.store.disk.table import Table, is_damage
from framecache.store.errors import StoreError

_FORMAT = f"blocks-{CONTENT_VERSION}"
_Opened = TypeVar("_Opened")


class Folder:
    """`directory` while this process has it; the cache is in a folder in it, named by the version of its content."""

    def __init__(self, directory: Path) -> None:
        """Take the folder, and make it if it is not there. Raises StoreError."""
        self._directory, self._own = directory, directory / _FORMAT
        with _store_errors(directory):
            # One that is there already may be somebody's, and keeps its mode.
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = _Lock(directory / "lock")

    def open(self, use: Callable[[Table], _Opened]) -> _Opened:
        """`use` the index, or a new one where the old one is unreadable. Raises StoreError."""
        with _store_errors(self._directory):
            _make_private(self._own)
            try:
                return use(Table(self._own))
            except sqlite3.Error as error:
                if not is_damage(error):
                    raise  # the disk is full or read-only now: the index is as good as it was
                # The index is unreadable, so its files are worthless: set them aside and begin anew.
                self.set_aside()
                return use(Table(self._own))

    def set_aside(self) -> None:
        """Begin anew in an empty folder; the next check removes the old one."""
        with contextlib.suppress(FileNotFoundError):
            self._own.rename(self._own.with_name(f"{_FORMAT}.broken-{os.urandom(4).hex()}"))
        _make_private(self._own)

    def close(self) -> None:
        """Release the folder."""
        self._lock.close()


@contextlib.contextmanager
def _store_errors(directory: Path) -> Iterator[None]:
    """Whatever goes wrong in the folder, as StoreError."""
    try:
        yield
    except (OSError, ValueError, sqlite3.Error, diskcache.Timeout) as error:
        reason = getattr(error, "strerror", None) or error
        raise StoreError(f"the cache folder {directory} cannot be used: {reason}") from error


def _make_private(directory: Path) -> None:
    """Make a folder that only its owner can enter, whatever the umask, which is the whole server's."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if directory.stat().st_mode & 0o077:
        directory.chmod(0o700)


class _Lock:
    """Two Orthancs in one folder would remove each other's files: the second is refused."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise StoreError(
                f"the cache folder {path.parent} is in use by another Orthanc; give each its own Directory"
            ) from error

    def close(self) -> None:
        os.close(self._descriptor)
