"""diskcache's Disk for blocks: text keys, bytes in the row or a block in a file, and no pickle either way."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import diskcache
from diskcache.core import MODE_BINARY, MODE_RAW

from framecache.threads import side_by_side

_FILE_NAME = re.compile(r"[0-9a-f]{2}/[0-9a-f-]{36}/[0-9A-Za-z._-]{1,160}\.block", re.ASCII)
# Longer writes make Linux look for contiguous pages, which costs several times as much as filling them.
_PIECE = 256 << 10
DISK_BLOCK = 4096  # a file takes whole ones
# Some disks delay each unlink, however many run at once: four threads are ten times as fast there.
_MANY, _UNLINKING = 16, 4
_OWNER_ONLY, _OWNER_ONLY_DIRECTORY = 0o600, 0o700


@dataclass(frozen=True, slots=True)
class NewBlock:
    """A block to write: its header and its frames in order, and what the name of its file begins with."""

    attachment_uuid: str
    name: str
    pieces: Sequence[bytes | memoryview]
    nonce: str = field(default_factory=lambda: secrets.token_hex(4))

    @property
    def filename(self) -> str:
        """The name within the cache's folder; a block that is written again gets another one."""
        return f"{self.attachment_uuid[:2]}/{self.attachment_uuid}/{self.name}-{self.nonce}.block"

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return sum(len(piece) for piece in self.pieces)


class BlockDisk(diskcache.Disk):  # type: ignore[misc]
    """Reads and writes the values of the index.

    diskcache pickles keys and values that it has no column for, and unpickling a folder that someone else can
    write to runs their code (CVE-2025-69872). This one refuses anything but text keys, bytes and blocks, both ways.
    """

    def __init__(self, directory: str, *settings: Any, **more_settings: Any) -> None:
        super().__init__(directory, *settings, **more_settings)
        self._stuck: dict[str, int] = {}
        self._removing: dict[object, int] = {}

    def put(self, key: Any) -> tuple[str, bool]:
        if type(key) is not str:
            raise TypeError("keys are text")
        return key, True

    def get(self, key: Any, raw: Any) -> str:
        if type(key) is not str or not raw:
            raise TypeError("keys are text")
        return key

    def store(self, value: Any, read: Any, key: Any = None) -> tuple[int, int, str | None, Any]:  # noqa: ARG002
        if isinstance(value, NewBlock):
            self._write_block(self.full_path(value.filename), value)
            return value.size, MODE_BINARY, value.filename, None
        if type(value) is bytes:
            return len(value), MODE_RAW, None, sqlite3.Binary(value)
        raise TypeError("values are bytes or blocks")

    def fetch(self, mode: int, filename: Any, value: Any, read: Any) -> bytes:  # noqa: ARG002
        if mode != MODE_RAW or type(value) is not bytes:
            raise TypeError("blocks are read from their files")
        return value

    def remove(self, file_path: str) -> None:
        self.remove_all([(file_path, 0)])

    def remove_all(self, files: Iterable[tuple[str, int]]) -> None:
        """Unlink files, given with their sizes. Those that cannot be unlinked now still count, and are retried."""
        known = [(filename, size) for filename, size in files if _FILE_NAME.fullmatch(filename)]
        threads = _UNLINKING if len(known) >= _MANY else 1
        side_by_side(self._unlink, known, threads)
        folders = {os.path.dirname(self.full_path(filename)) for filename, _ in known}
        side_by_side(_remove_empty, folders, threads)
        side_by_side(_remove_empty, {os.path.dirname(folder) for folder in folders}, threads)

    def _unlink(self, file: tuple[str, int]) -> None:
        filename, size = file
        path = self.full_path(filename)
        try:
            os.remove(path)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                with contextlib.suppress(OSError):
                    size = size or os.lstat(path).st_size
                self._stuck[filename] = size
                return
        self._stuck.pop(filename, None)

    @property
    def stuck_bytes(self) -> int:
        """At most so many bytes on disk are of files that have no row any more."""
        stuck = self._stuck.copy().values()
        return sum(stuck) + len(stuck) * DISK_BLOCK + sum(self._removing.copy().values())

    @contextlib.contextmanager
    def removing(self) -> Iterator[Callable[[int], None]]:
        """Count the bytes that are given, before their rows are removed, until their files are gone as well."""
        files = object()
        try:
            yield partial(self._removing.__setitem__, files)
        finally:
            self._removing.pop(files, None)

    def retry(self) -> None:
        """Retry what could not be unlinked."""
        self.remove_all(list(self._stuck.items()))

    def full_path(self, filename: str) -> str:
        """The path of a block's file. Raises ValueError for a name that no block has."""
        if not _FILE_NAME.fullmatch(filename):
            raise ValueError("not the name of a block")
        return os.path.join(self._directory, filename)

    def _write_block(self, path: str, block: NewBlock) -> None:
        folder = os.path.dirname(path)
        for _ in range(10):  # another thread may remove the empty folder between the two calls
            with contextlib.suppress(FileNotFoundError, FileExistsError):
                # makedirs gives its mode to the last folder only.
                os.makedirs(os.path.dirname(folder), _OWNER_ONLY_DIRECTORY, exist_ok=True)
                os.makedirs(folder, _OWNER_ONLY_DIRECTORY, exist_ok=True)
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWNER_ONLY)
                break
            except FileNotFoundError:
                continue
        else:
            raise OSError("the block's folder is removed again and again")
        try:
            _write_all(descriptor, block.pieces)
        except BaseException:
            self.remove(os.path.relpath(path, self._directory))
            raise
        finally:
            os.close(descriptor)


def _remove_empty(folder: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(folder)


def _write_all(descriptor: int, pieces: Sequence[bytes | memoryview]) -> None:
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(descriptor, rest[:_PIECE]) :]
