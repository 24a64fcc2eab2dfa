"""A block's bytes in a file of their own."""

from __future__ import annotations

import os
from dataclasses import dataclass

from framecache.store.block_format import BlockGone, BrokenBlock

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
