"""Whether what is cached is still in Orthanc: asked for in the background, some instances at a time.

Orthanc tells of a deletion once, while it happens, and nowhere afterwards. Nothing that was deleted is sent: each
answer is checked. But the frames of what was deleted while the plugin was off, or by another Orthanc on the same
database, have to leave the disk as well.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping

from framecache.orthanc.instance_index import InstanceIndex
from framecache.ports import OrthancApi
from framecache.store.frame_store import FrameStore
from framecache.threads import make_way, start_thread

logger = logging.getLogger(__name__)

_BATCH = 200
_PAUSE_SECONDS = 0.5
_ROUND_SECONDS = 3600.0


class Reconciliation:
    """Goes through the store at the start and once an hour, at most 400 instances a second."""

    def __init__(self, api: OrthancApi, store: FrameStore, on_suspect: Callable[[str], None]) -> None:
        """`on_suspect` is called with the Orthanc ID of what is gone, or is kept in another version than Orthanc's."""
        self._index, self._store, self._on_suspect = InstanceIndex(api), store, on_suspect
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin the first round."""
        start_thread("frame-cache-audit", self._work)

    def stop(self) -> None:
        """End after the batch at work."""
        self._stopping.set()

    def _work(self) -> None:
        make_way()
        while not self._stopping.is_set():
            try:
                self._round()
            except Exception as error:  # noqa: BLE001 - the next round will tell
                logger.warning("comparing the cache with Orthanc failed: %s", error)
            self._stopping.wait(_ROUND_SECONDS)

    def _round(self) -> None:
        last = ""
        while kept := self._store.versions(last, _BATCH):
            for orthanc_id in self._suspects(kept):
                self._on_suspect(orthanc_id)
            last = max(kept)
            if self._stopping.wait(_PAUSE_SECONDS):
                return

    def _suspects(self, kept: Mapping[str, Collection[str]]) -> Iterator[str]:
        current = self._index.attachments(kept)
        for orthanc_id, attachments in kept.items():
            if orthanc_id not in current or set(attachments) - {current[orthanc_id]}:
                yield orthanc_id
