"""What a folder takes on disk while others write to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def disk_usage(folder: Path) -> int:
    """Bytes as du counts them, of what was there at one moment.

    du adds up what it meets on its way: a file that goes behind it and another that comes before it count both, though
    they never were there together. Here all that was met is looked at once more: what counts was there in between.
    """
    met = {path: _blocks(path) for path in _walk(folder)}
    return 512 * sum(min(blocks, _blocks(path)) for path, blocks in met.items())


def _walk(folder: Path) -> Iterator[str]:
    for place, _, names in os.walk(folder):
        yield place
        yield from (os.path.join(place, name) for name in names)


def _blocks(path: str) -> int:
    try:
        return os.lstat(path).st_blocks
    except FileNotFoundError:
        return 0
