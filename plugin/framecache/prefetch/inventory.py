"""What the store has of an instance while its frames are extracted."""

from __future__ import annotations

from collections.abc import Collection

from framecache.instances.entry import Entry
from framecache.store.block import Block
from framecache.store.store import Store
from framecache.telemetry.metrics import Metrics


class Inventory:
    """Keeps entries true to the store: others may evict what is being extracted, and readers may find damage in it."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store, self._metrics = store, metrics

    def refresh(self, entry: Entry) -> None:
        """Update the blocks of `entry` from the store. Raises StoreError."""
        self._remove_broken(entry)
        entry.set_blocks(self._store.blocks.of(entry.instance))

    def is_whole(self, entry: Entry) -> bool:
        """Whether none of its blocks was evicted meanwhile; otherwise the rest is removed too. Raises StoreError."""
        broken = self._remove_broken(entry)
        present = {*self._store.blocks.of(entry.instance), *broken}
        if present.issuperset(list(entry.blocks.values())):
            return True
        self.drop(entry)
        return False

    def drop(self, entry: Entry) -> None:
        """Remove what was written, since there is no room for all of it. Raises StoreError."""
        self._store.versions.remove({entry.instance.orthanc_id: {entry.instance.attachment_uuid}}, "size")
        entry.set_blocks([])

    def _remove_broken(self, entry: Entry) -> Collection[Block]:
        """Remove the blocks that readers found broken, or each request would meet them again."""
        broken = entry.take_broken()
        if not broken:  # as nearly always: do not ask the store
            return broken.keys()
        for block in set(self._store.blocks.of(entry.instance)).intersection(broken):
            self._store.blocks.remove(block)
        # A block that a reader met while its frames were written anew has no row any more, and counts all the same.
        self._metrics.count("damaged_blocks", list(broken.values()).count("damaged"))
        return broken.keys()
