"""What tests put into a small store: instances with blocks of frames."""

from __future__ import annotations

from collections.abc import Mapping

from framecache.orthanc.instance import Instance
from framecache.store.block import Block
from framecache.store.store import Parts

SYNTAX = "1.2.840.10008.1.2.1"
KB, MB = 1 << 10, 1 << 20
LIMIT = 16 * MB


def frames(*numbers: int, size: int = 100 * KB) -> Mapping[int, memoryview]:
    return {number: memoryview(bytes([number % 256]) * size) for number in numbers}


def fill(store: Parts, one: Instance, blocks: int = 1, size: int = 100 * KB) -> list[Block]:
    store.records.keep(one.to_json())
    return [store.blocks.keep(one, SYNTAX, frames(number, size=size)) for number in range(1, blocks + 1)]
