"""The blocks and indexes of a folder: a block is a file and a row, an index a row alone.

Truth is the row and the file. A block is written file first, row second, into space that was reserved before.
"""

# ruff: noqa: S608 - statements are put together of this module's own constants

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from framecache.store.block import Block, BlockGone, BrokenBlock, pack_header
from framecache.store.disk.block_disk import DISK_BLOCK, NewBlock
from framecache.store.disk.keys import BLOCKS, blocks_prefix, index_key
from framecache.store.disk.removal import Removal
from framecache.store.disk.space import DiskSpace
from framecache.store.disk.table import Table
from framecache.store.parts import InstanceVersion

_FLAGS = os.O_RDONLY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class BlockFile:
    """The file at `path`; no name is used twice."""

    path: str

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill `target` by position: what a descriptor reads stays whole, even if the file is evicted meanwhile."""
        try:
            descriptor = os.open(self.path, _FLAGS)
            try:
                while (count := os.preadv(descriptor, [target], offset)) < len(target):
                    if count == 0:
                        raise BrokenBlock("the block is truncated")
                    target, offset = target[count:], offset + count
            finally:
                os.close(descriptor)
        except FileNotFoundError as error:
            raise BlockGone("the block is gone: it was evicted or removed") from error
        except OSError as error:
            raise BrokenBlock(f"the block cannot be read: {error.strerror}") from error


_COLUMNS = "key, filename, size"
# The attachment under which it is tried whether the folder can be written.
_PROBE = str(UUID(int=0))


class DiskBlocks:
    """Blocks and indexes of frames."""

    def __init__(self, table: Table, space: DiskSpace, removal: Removal) -> None:
        self._table, self._space, self._removal = table, space, removal
        self._failed_size = DISK_BLOCK

    def of(self, version: InstanceVersion) -> list[Block]:
        """The blocks of this very version of the instance."""
        return blocks_of_attachment(self._table, version.attachment_uuid)

    def of_instance(self, orthanc_id: str) -> list[Block]:
        """The blocks of any version of the instance."""
        query = f"SELECT {_COLUMNS} FROM Cache WHERE tag = ? AND raw = 1 AND key >= ? AND key < ? ORDER BY key"
        return list(_blocks(self._table, query, (orthanc_id, BLOCKS, BLOCKS + "\x7f")))

    def keep(
        self, version: InstanceVersion, representation: str, frames: Mapping[int, memoryview], *, may_evict: bool = True
    ) -> Block:
        """Write one block of consecutive frames, by their numbers.

        Raises DoesNotFit, DiskLow, OSError, sqlite3.Error.
        """
        first, count = min(frames), len(frames)
        key = f"{blocks_prefix(version.attachment_uuid)}{representation}/{first}-{count}"
        new = NewBlock(
            version.attachment_uuid, f"{representation}_{first}", [pack_header(key, frames), *frames.values()]
        )
        with self._space.reserve(new.size, version.orthanc_id, may_evict=may_evict):
            self._write(key, new, version.orthanc_id)
        file = BlockFile(self._table.files.full_path(new.filename))
        return Block(key, representation, first, count, new.size, file)

    def remove(self, block: Block) -> None:
        """Remove a block that is damaged."""
        self._removal.of_rows("damaged", [block.key])

    def index(self, version: InstanceVersion) -> bytes | None:
        """The index of this very version of the instance, or None; it proves itself."""
        return cast("bytes | None", self._table.get(index_key(version)))

    def keep_index(self, version: InstanceVersion, content: bytes, *, may_evict: bool = True) -> None:
        """Remember where the frames of `version` lie in its stored file. Raises DoesNotFit, DiskLow, sqlite3.Error."""
        with self._space.reserve(len(content), version.orthanc_id, may_evict=may_evict):
            self._table.set(index_key(version), content, tag=version.orthanc_id)

    def probe(self) -> None:
        """Write a block as large as the last one that could not be written, and remove it. Raises what `keep` does."""
        key, new = f"{blocks_prefix(_PROBE)}probe/1-1", NewBlock(_PROBE, "probe", [bytes(self._failed_size)])
        with self._space.reserve(new.size, ""):
            self._write(key, new, None)
        self._removal.of_rows(None, [key])
        self._failed_size = DISK_BLOCK

    def _write(self, key: str, new: NewBlock, tag: str | None) -> None:
        try:
            self._table.set(key, new, tag=tag)
        except OSError:
            self._failed_size = new.size
            raise


def blocks_of_attachment(table: Table, attachment_uuid: str) -> list[Block]:
    """The blocks of one version of an instance."""
    prefix = blocks_prefix(attachment_uuid)
    query = f"SELECT {_COLUMNS} FROM Cache WHERE raw = 1 AND key >= ? AND key < ?"
    return list(_blocks(table, query, (prefix, prefix + "\x7f")))


def _blocks(table: Table, query: str, parameters: Sequence[Any]) -> Iterator[Block]:
    for key, filename, size in table.rows(query, parameters):
        with contextlib.suppress(ValueError, TypeError):  # SQLite has no checksums
            _, _, representation, numbers = key.split("/")
            first, _, count = numbers.partition("-")
            file = BlockFile(table.files.full_path(filename))
            yield Block(key, representation, int(first), int(count), size, file)
