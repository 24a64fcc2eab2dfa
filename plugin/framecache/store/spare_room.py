"""The store as the backfill fills it: only room that nobody else takes."""

from __future__ import annotations

from collections.abc import Mapping

from framecache.orthanc.instance import Instance
from framecache.store.block import Block
from framecache.store.frame_store import FrameStore


class SpareRoom:
    """Keeps blocks and indexes as the store behind it does, but never by evicting others."""

    def __init__(self, store: FrameStore) -> None:
        self._store = store

    @property
    def limit(self) -> int:
        """The most bytes that the store may hold."""
        return self._store.limit

    def keep(self, instance: Instance, representation: str, frames: Mapping[int, memoryview]) -> Block:
        """Write one block. Raises StoreError, DoesNotFit where others would have to go, OSError."""
        return self._store.keep(instance, representation, frames, may_evict=False)

    def keep_index(self, instance: Instance, content: bytes) -> None:
        """Remember where frames lie. Raises StoreError, DoesNotFit where others would have to go."""
        self._store.keep_index(instance, content, may_evict=False)
