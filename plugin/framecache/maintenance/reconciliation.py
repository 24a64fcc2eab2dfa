"""Whether what is cached is still in Orthanc: asked for in the background, some instances at a time.

Orthanc tells of a deletion once, while it happens, and nowhere afterwards. Nothing that was deleted is sent: each
answer is checked. But the frames of what was deleted while the plugin was off, or by another Orthanc on the same
database, have to leave the disk as well.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from framecache.orthanc.instance_index import InstanceIndex
from framecache.ports import OrthancApi
from framecache.store.frame_store import FrameStore
from framecache.worker import Worker

_BATCH = 200
_PAUSE_SECONDS = 0.5
_ROUND_SECONDS = 3600.0


class Reconciliation:
    """Goes through the store at the start and once an hour, at most 400 instances a second."""

    def __init__(
        self,
        api: OrthancApi,
        store: FrameStore,
        on_suspect: Callable[[str], None],
        *,
        round_seconds: float = _ROUND_SECONDS,
        pause_seconds: float = _PAUSE_SECONDS,
        batch: int = _BATCH,
    ) -> None:
        """`on_suspect` is called with the Orthanc ID of what is gone, or is kept in another version than Orthanc's."""
        self._index, self._store, self._on_suspect = InstanceIndex(api), store, on_suspect
        self._round_seconds, self._pause_seconds, self._batch = round_seconds, pause_seconds, batch
        self._worker = Worker(
            "reconciliation",
            self._compare,
            task="comparing the cache with Orthanc",
            retry_seconds=round_seconds,
        )
        self.start, self.stop = self._worker.start, self._worker.stop

    def _compare(self) -> float:
        """One round."""
        last = ""
        while kept := self._store.versions(last, self._batch):
            for orthanc_id in self._suspects(kept):
                self._on_suspect(orthanc_id)
            last = max(kept)
            if self._worker.pause(self._pause_seconds):
                break
        return self._round_seconds

    def _suspects(self, kept: Mapping[str, Collection[str]]) -> Iterator[str]:
        current = self._index.attachments(kept)
        for orthanc_id, attachments in kept.items():
            if orthanc_id not in current or set(attachments) - {current[orthanc_id]}:
                yield orthanc_id
