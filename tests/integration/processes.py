"""The processes that a server has started, while threads and processes come and go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def children_of(pid: int) -> Iterator[int]:
    """Whichever of its threads started them."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            yield from map(int, (task / "children").read_text().split())


def command_of(pid: int) -> list[bytes]:
    """Its words; none if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
