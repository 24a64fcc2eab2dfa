"""Recovery from a crash: files without rows, rows without files, and folders of other versions are removed.

Nothing may be written to the cache meanwhile, since a block's file is there before its row. Removing is safe.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from framecache.store.disk.blocks import BlockFile, blocks_of_attachment
from framecache.store.disk.removal import Removal
from framecache.store.disk.table import Table
from framecache.store.store import RecoveryReport


class Recovery:
    """Compares the files of a cache with its index, both ways; ends early when `is_stopping`."""

    def __init__(self, table: Table, removal: Removal, is_stopping: Callable[[], bool]) -> None:
        self._table, self._removal, self._is_stopping = table, removal, is_stopping
        self._own = Path(table.directory)
        self._report = RecoveryReport()

    def run(self) -> RecoveryReport:
        """Raises OSError, sqlite3.Error."""
        self._remove_other_versions()
        self._forget_lost_blocks()
        self._remove_orphans()
        self._table.recount()
        return self._report

    def _remove_other_versions(self) -> None:
        """What was set aside, and caches of other versions of the content: none of it may be used."""
        for folder in other_versions(self._own):
            for entry in list(folder.iterdir()):
                if self._is_stopping():
                    return
                shutil.rmtree(entry, ignore_errors=True)
                with contextlib.suppress(OSError):
                    entry.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                folder.rmdir()
                self._report.folders += 1

    def _forget_lost_blocks(self) -> None:
        """Remove rows whose files are gone or truncated."""
        after = 0
        while (rows := self._table.file_rows(after)) and not self._is_stopping():
            lost = [key for _, key, filename, size in rows if self._size(filename) != size]
            self._report.lost += self._removal.of_rows(None, lost)
            after = rows[-1][0]

    def _size(self, filename: str) -> int | None:
        try:
            return os.lstat(self._table.files.full_path(filename)).st_size
        except (FileNotFoundError, ValueError):
            return None

    def _remove_orphans(self) -> None:
        for attachment_uuid, folder in self._folders():
            if self._is_stopping():
                return
            wanted = {block.content for block in blocks_of_attachment(self._table, attachment_uuid)}
            orphans = [path for path in Path(folder).glob("*.block") if BlockFile(str(path)) not in wanted]
            self._table.files.remove_all([(str(path.relative_to(self._own)), 0) for path in orphans])
            self._report.orphans += len(orphans)

    def _folders(self) -> Iterator[tuple[str, str]]:
        """The folders of attachments; the two levels above them hold nothing else but the index."""
        for prefix in _folders_in(self._own):
            for folder in _folders_in(prefix):
                yield folder.name, folder.path


def _folders_in(place: Path | os.DirEntry[str]) -> list[os.DirEntry[str]]:
    """A folder may be removed meanwhile."""
    with contextlib.suppress(FileNotFoundError), os.scandir(place) as entries:
        return [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    return []


def other_versions(own: Path) -> list[Path]:
    """The other cache folders beside `own`."""
    folders = own.parent.glob("blocks-*")
    return [folder for folder in folders if folder != own and folder.is_dir() and not folder.is_symlink()]


def disk_usage(folder: Path) -> int:
    """Bytes on disk of a folder and all below it, as `du` counts them."""
    blocks = 0
    for place, _, names in os.walk(folder):
        for path in (place, *(os.path.join(place, name) for name in names)):
            with contextlib.suppress(FileNotFoundError):
                blocks += os.lstat(path).st_blocks
    return blocks * 512
