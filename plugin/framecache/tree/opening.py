"""Opens an archive, if what that needs is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from framecache.tree.errors import ArchiveError

if TYPE_CHECKING:
    from framecache.tree.tree import Tree


def open_tree(
    url: str, *, options: Mapping[str, Any] | None = None, threads: int | None = None, writes: bool = False
) -> Tree:
    """As `Tree.open`. Raises ArchiveError, also if obstore, an optional extra, is missing."""
    try:
        from framecache.tree.tree import Tree  # noqa: PLC0415 - needs an optional extra
    except ImportError:
        raise ArchiveError("archives need obstore: pip install 'framecache[archive]'") from None
    return Tree.open(url, options=options, threads=threads, writes=writes)
