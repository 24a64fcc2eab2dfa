"""Compares the cache with Orthanc in the background, some instances at a time.

Orthanc tells of a deletion once, while it happens, and nowhere afterwards: its log of changes has none. Nothing that
was deleted is sent: each answer is checked. But the frames of what was deleted while the plugin was off, or by another
Orthanc on the same database, have to leave the disk as well.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from framecache.batches import batches
from framecache.dispatcher import Dispatcher
from framecache.errors import FrameCacheError
from framecache.orthanc.instance_index import InstanceIndex
from framecache.orthanc.system import ArchiveSize, read_archive_size, read_system
from framecache.ports import OrthancApi
from framecache.store.parts import Metadata, Versions
from framecache.worker import Worker

_BATCH = 200
_PAUSE_SECONDS = 0.5
_ROUND_SECONDS = 3600.0
# Where several Orthancs share a database, the size of their archive tells whether a round is due already.
_LOOK_SECONDS = 20.0
# Pages of the log between two looks; what is beyond has changed the archive's size, or waits for the next round.
_MOST_LOGGED = 1000
# How many times as long as an urgent batch took it gives way: arrivals may make a round urgent all day.
_LEISURE = 4

# Those of some instances, with the attachments that anything is kept of, which are gone or were replaced.
_Suspects = Callable[[Mapping[str, Collection[str]]], Iterator[str]]
# The next so many instances after an Orthanc ID.
_Page = Callable[[str, int], Mapping[str, Collection[str]]]


@dataclass(frozen=True, slots=True)
class StaleInstanceFound:
    """The cache has frames of an instance that Orthanc does not have, or has in another version."""

    orthanc_id: str


class Reconciliation:
    """Goes through the store at the start and once an hour, and soon after another Orthanc may have deleted something.

    At most 400 instances a second are looked at; where that is urgent, as many as it can in a fifth of the time.
    Publishes StaleInstanceFound.
    """

    def __init__(
        self,
        api: OrthancApi,
        versions: Versions,
        metadata: Metadata,
        dispatcher: Dispatcher,
        has_file: Callable[[str], bool] = lambda _: False,
        *,
        round_seconds: float = _ROUND_SECONDS,
        look_seconds: float = _LOOK_SECONDS,
        pause_seconds: float = _PAUSE_SECONDS,
        batch: int = _BATCH,
    ) -> None:
        """`has_file` says whether the stored file of an attachment is there, which proves that Orthanc has it."""
        self._api, self._index, self._dispatcher = api, InstanceIndex(api), dispatcher
        self._versions, self._metadata = versions, metadata
        self._has_file, self._batch, self._pause_seconds = has_file, batch, pause_seconds
        self._round_seconds, self._look_seconds = round_seconds, min(look_seconds, round_seconds)
        self._due = 0.0
        self._size: ArchiveSize | None = None
        self._is_shared: bool | None = None
        self._logged = deque[Sequence[str]](maxlen=_MOST_LOGGED)
        self._worker = Worker(
            "reconciliation",
            self._compare,
            task="comparing the cache with Orthanc",
            retry_seconds=self._look_seconds,
        )
        self.start, self.stop = self._worker.start, self._worker.stop

    def logged(self, orthanc_ids: Sequence[str]) -> None:
        """These were stored, perhaps by another Orthanc and in place of what is cached here. Returns at once.

        An overwrite by a file of the same length leaves the archive's size as it was.
        """
        if self._is_shared is not False:
            self._logged.append(orthanc_ids)

    def _compare(self) -> float:
        """A round if one is due, or a short one if the archive has changed since the last."""
        size = self._shared_size()  # before the round: what is deleted meanwhile is for the next one
        logged = [self._logged.popleft() for _ in range(len(self._logged))]
        if (now := time.monotonic()) >= self._due:
            self._due = now + self._round_seconds
            self._round(self._suspects, lambda _: self._pause_seconds)
        elif size != self._size:
            self._round(self._suspects_without_file, lambda took: min(_LEISURE * took, self._pause_seconds))
        elif self._is_shared:
            self._compare_logged(list(chain.from_iterable(logged)))
        self._size = size
        return min(self._look_seconds, max(0.0, self._due - time.monotonic()))

    def _compare_logged(self, orthanc_ids: Sequence[str]) -> None:
        for batch in batches(orthanc_ids, self._batch):
            if kept := self._versions.of(batch):
                self._publish(self._suspects_without_file(kept))

    def _shared_size(self) -> ArchiveSize | None:
        """None where no other Orthanc can use the database: its own SQLite; and where Orthanc does not tell."""
        try:
            if self._is_shared is None:
                self._is_shared = read_system(self._api).has_database_plugin
            return read_archive_size(self._api) if self._is_shared else None
        except (FrameCacheError, KeyError, TypeError, ValueError):
            return None

    def _round(self, suspects: _Suspects, pause: Callable[[float], float]) -> None:
        """`pause` says how long to give way after a batch that took so long, in seconds.

        There is metadata of far more instances than of which frames are cached: for those the files have to do.
        """
        self._walk(self._versions.after, suspects, pause)
        self._walk(self._of_metadata, self._suspects_without_file, pause)

    def _of_metadata(self, orthanc_id: str, limit: int) -> Mapping[str, Collection[str]]:
        return {name: [attachment] for name, attachment in self._metadata.after(orthanc_id, limit).items()}

    def _walk(self, after: _Page, suspects: _Suspects, pause: Callable[[float], float]) -> None:
        last, began = "", time.monotonic()
        while (kept := after(last, self._batch)) and not self._worker.is_stopping:
            self._publish(suspects(kept))
            last = max(kept)
            if self._worker.pause(pause(time.monotonic() - began)):
                return
            began = time.monotonic()

    def _publish(self, suspects: Iterable[str]) -> None:
        for orthanc_id in suspects:
            self._dispatcher.publish(StaleInstanceFound(orthanc_id))

    def _suspects_without_file(self, kept: Mapping[str, Collection[str]]) -> Iterator[str]:
        """Orthanc is asked only about those whose file is not there: who deletes or replaces one unlinks it."""
        doubtful = {name: uuids for name, uuids in kept.items() if not all(map(self._has_file, uuids))}
        return self._suspects(doubtful) if doubtful else iter(())

    def _suspects(self, kept: Mapping[str, Collection[str]]) -> Iterator[str]:
        current = self._index.attachments(kept)
        for orthanc_id, attachments in kept.items():
            if orthanc_id not in current or set(attachments) - {current[orthanc_id]}:
                yield orthanc_id
