"""What the store holds of an instance, while its frames are cut out."""

from __future__ import annotations

from collections.abc import Collection

from framecache.instances.entry import Entry
from framecache.store.block import Block
from framecache.store.store import Store
from framecache.telemetry.metrics import Metrics


class Inventory:
    """Keeps entries true to the store: others evict what is being cut out, and readers find damage in it."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store, self._metrics = store, metrics

    def take(self, entry: Entry) -> None:
        """Let `entry` know the blocks that there are. Raises StoreError."""
        self._forget_broken(entry)
        entry.take_stock(self._store.blocks.of(entry.instance))

    def is_whole(self, entry: Entry) -> bool:
        """Another instance's fill may have evicted the first half of this one: then the other half goes as well."""
        broken = self._forget_broken(entry)
        there = {*self._store.blocks.of(entry.instance), *broken}
        if there.issuperset(list(entry.blocks.values())):
            return True
        self.drop(entry)
        return False

    def drop(self, entry: Entry) -> None:
        """There is no room for all of it: what was written goes as well. Raises StoreError."""
        self._store.versions.remove({entry.instance.orthanc_id: {entry.instance.attachment_uuid}}, "size")
        entry.take_stock([])

    def _forget_broken(self, entry: Entry) -> Collection[Block]:
        """What was found to be damaged is no block any more, or it would be met with each request again."""
        broken = entry.take_broken()
        if not broken:  # as nearly always: the store is not asked
            return broken.keys()
        for block in set(self._store.blocks.of(entry.instance)).intersection(broken):
            self._store.blocks.remove(block)
        # One that a reader met while its frames were written anew has no row any more, and is counted none the less.
        self._metrics.count("damaged_blocks", list(broken.values()).count("damaged"))
        return broken.keys()
