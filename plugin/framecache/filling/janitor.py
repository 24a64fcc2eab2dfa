"""Cleaning up: what was deleted leaves the cache, and last accesses are written down in batches."""

from __future__ import annotations

import queue
from collections.abc import Callable
from functools import partial

from framecache.archive.catalogue import Catalogue
from framecache.cache.frame_store import FrameStore
from framecache.errors import NotFound
from framecache.filling.filler import Filler
from framecache.ports import Log
from framecache.threads import start_thread

_FLUSH_SECONDS = 10.0


class Janitor:
    """One thread; Orthanc's events only leave a note for it."""

    def __init__(self, catalogue: Catalogue, store: FrameStore, filler: Filler, log: Log) -> None:
        self._catalogue, self._store, self._filler, self._log = catalogue, store, filler, log
        self._deleted: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def start(self) -> None:
        """Begin to work; what was deleted before is not lost."""
        start_thread("frame-cache-janitor", self._work)

    def stop(self) -> None:
        """Write down the last accesses and end."""
        self._deleted.put(None)

    def deleted(self, orthanc_id: str) -> None:
        """An instance was deleted or replaced. Memory forgets it now, the disk a little later."""
        self._catalogue.forget(orthanc_id)
        self._filler.forget(orthanc_id)
        self._deleted.put(orthanc_id)

    def _work(self) -> None:
        is_ending = False
        while not is_ending:
            try:
                orthanc_id = self._deleted.get(timeout=_FLUSH_SECONDS)
            except queue.Empty:
                self._attempt(self._flush)
                continue
            is_ending = orthanc_id is None
            self._attempt(self._flush if orthanc_id is None else partial(self._clean, orthanc_id))

    def _attempt(self, task: Callable[[], None]) -> None:
        try:
            task()
        except Exception as error:  # noqa: BLE001 - the next deletion is carried out all the same
            self._log.warning(f"frame cache: cleaning up failed: {type(error).__name__}: {error}")

    def _clean(self, orthanc_id: str) -> None:
        """An overwritten instance keeps its Orthanc ID, so its new frames may be here already."""
        try:
            entry = self._catalogue.describe(orthanc_id)
        except NotFound:
            self._store.forget(orthanc_id)
        else:
            self._store.forget_other_versions(entry.instance)

    def _flush(self) -> None:
        touched = self._catalogue.take_touched()
        if touched:
            self._store.touch(touched)
