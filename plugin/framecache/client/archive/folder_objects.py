"""An archive in a folder, read by the system's own calls: obstore's threads do not survive a fork, and hang there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from framecache.tree.errors import Damaged, Missing, Unreachable
from framecache.tree.objects import Listed, Objects


@dataclass(frozen=True, slots=True)
class FolderObjects(Objects):
    """Reads by itself, and writes as all archives are written."""

    def read(self, key: str) -> bytes:
        with _errors(key):
            return self._path(key).read_bytes()

    def view(self, key: str) -> memoryview:
        return memoryview(self.read(key))

    def read_range(self, key: str, start: int, length: int) -> bytes:
        with _errors(key), self._path(key).open("rb", buffering=0) as file:
            return os.pread(file.fileno(), length, start)

    def read_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int]) -> list[memoryview]:
        with _errors(key), self._path(key).open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if any(start + length > size for start, length in zip(starts, lengths, strict=True)):
                raise Damaged(f"{key} is cut off")
            return [
                memoryview(os.pread(file.fileno(), length, start))
                for start, length in zip(starts, lengths, strict=True)
            ]

    def head(self, key: str) -> Listed | None:
        try:
            with _errors(key):
                return _listed(key, self._path(key).stat())
        except Missing:
            return None

    def listed(self, prefix: str) -> list[Listed]:
        found: list[Listed] = []
        for directory, _, names in os.walk(self._path(prefix)):
            for name in names:
                path = Path(directory, name)
                if "#" not in name:  # obstore's, which is being written
                    with suppress(Missing), _errors(prefix):  # it was replaced meanwhile
                        found.append(_listed(path.relative_to(self._path("")).as_posix(), path.stat()))
        return sorted(found, key=lambda listed: listed.key)

    def folders(self, prefix: str) -> list[str]:
        with _errors(prefix):
            try:
                return sorted(entry.name for entry in os.scandir(self._path(prefix)) if entry.is_dir())
            except FileNotFoundError:
                return []

    def _path(self, key: str) -> Path:
        return Path(self.folder or "", key)


@contextmanager
def _errors(key: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise Missing(f"{key} is not there") from None
    except OSError as error:
        raise Unreachable(f"{key}: {error.strerror}") from error


def _listed(key: str, status: os.stat_result) -> Listed:
    return Listed(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))
