"""diskcache's Disk for blocks: text keys, bytes in the row or a block in a file, and no pickle either way."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import diskcache
from diskcache.core import MODE_BINARY, MODE_RAW

_FILE_NAME = re.compile(r"[0-9a-f]{2}/[0-9a-f-]{36}/[0-9A-Za-z._-]{1,160}\.block", re.ASCII)
# Longer writes make Linux look for contiguous pages, which costs several times as much as filling them.
_PIECE = 256 << 10
_OWNER_ONLY, _OWNER_ONLY_DIRECTORY = 0o600, 0o700


@dataclass(frozen=True, slots=True)
class NewBlock:
    """A block about to be written: its header and its frames, in order, and the name that its file begins with."""

    attachment_uuid: str
    name: str
    pieces: Sequence[bytes | memoryview]

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return sum(len(piece) for piece in self.pieces)


class BlockDisk(diskcache.Disk):  # type: ignore[misc]
    """Reads and writes the values of the store.

    diskcache pickles keys and values that it has no column for, and unpickling a folder that someone else can
    write to runs their code (CVE-2025-69872): here anything else is refused, both ways.
    """

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
            name = f"{value.name}-{secrets.token_hex(4)}.block"
            filename = f"{value.attachment_uuid[:2]}/{value.attachment_uuid}/{name}"
            self._write_block(self.full_path(filename), value)
            return value.size, MODE_BINARY, filename, None
        if type(value) is bytes:
            return len(value), MODE_RAW, None, sqlite3.Binary(value)
        raise TypeError("values are bytes or blocks")

    def fetch(self, mode: int, filename: Any, value: Any, read: Any) -> bytes:  # noqa: ARG002
        if mode != MODE_RAW or type(value) is not bytes:
            raise TypeError("only values in the row are fetched; blocks are read by their paths")
        return value

    def remove(self, file_path: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            full_path = self.full_path(file_path)
            os.remove(full_path)
            # Empty folders only, and never the cache's own.
            os.rmdir(os.path.dirname(full_path))
            os.rmdir(os.path.dirname(os.path.dirname(full_path)))

    def full_path(self, filename: str) -> str:
        """The path of a block's file. Raises ValueError for names that `store` never gave."""
        if not _FILE_NAME.fullmatch(filename):
            raise ValueError("not the name of a block")
        return os.path.join(self._directory, filename)

    def _write_block(self, path: str, block: NewBlock) -> None:
        folder = os.path.dirname(path)
        for _ in range(10):  # another thread may remove a folder, just emptied, between the two calls
            # makedirs gives its mode to the last folder only.
            os.makedirs(os.path.dirname(folder), _OWNER_ONLY_DIRECTORY, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                os.makedirs(folder, _OWNER_ONLY_DIRECTORY, exist_ok=True)
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWNER_ONLY)
                break
            except FileNotFoundError:
                continue
        else:
            raise OSError("the block's folder keeps vanishing")
        try:
            _write_all(descriptor, block.pieces)
        except BaseException:
            self.remove(os.path.relpath(path, self._directory))
            raise
        finally:
            os.close(descriptor)


def _write_all(descriptor: int, pieces: Sequence[bytes | memoryview]) -> None:
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(descriptor, rest[:_PIECE]) :]
