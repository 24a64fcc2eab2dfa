"""What befalls the bytes of a block behind the store's back, and how its frames are read."""

from __future__ import annotations

from pathlib import Path

from framecache.store.block import Block
from framecache.store.disk.blocks import BlockFile
from framecache.store.memory_store import MemoryContent


def read_frame(block: Block, number: int) -> bytes:
    """One frame, checked as a request checks it. Raises BrokenBlock."""
    target = bytearray(block.frame_length(number))
    block.read_into(number, memoryview(target))
    return bytes(target)


def path_of(block: Block) -> Path:
    """The file that a block on disk lies in."""
    assert isinstance(block.content, BlockFile)
    return Path(block.content.path)


def content_of(block: Block) -> bytes:
    """All bytes of a block."""
    target = bytearray(block.size)
    block.content.read_into(0, memoryview(target))
    return bytes(target)


def overwrite(block: Block, content: bytes | bytearray) -> None:
    """Let a block have other bytes."""
    if isinstance(block.content, MemoryContent):
        block.content.content = bytes(content)
    else:
        path_of(block).write_bytes(content)


def take_away(block: Block) -> None:
    """Let a block be gone, though the store knows it."""
    if isinstance(block.content, MemoryContent):
        block.content.content = None
    else:
        path_of(block).unlink()
