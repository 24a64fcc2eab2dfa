"""New instances: their IDs arrive one by one from Orthanc's events and are sifted in batches."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable, Sequence
from typing import Any

from framecache.dicom.instance import number_of_frames
from framecache.errors import FrameCacheError
from framecache.filling.filler import Filler, Priority
from framecache.metrics import Metrics
from framecache.ports import Log, OrthancApi
from framecache.threads import make_way, start_thread

_LARGEST_BATCH = 200
_LONGEST_QUEUE = 1_000_000


class Intake:
    """Hands the instances that are worth it to the filler; one question to Orthanc for up to 200 of them."""

    def __init__(
        self,
        api: OrthancApi,
        filler: Filler,
        metrics: Metrics,
        log: Log,
        is_worth_it: Callable[[int, int], bool],
    ) -> None:
        self._api, self._filler, self._metrics, self._log = api, filler, metrics, log
        self._is_worth_it = is_worth_it
        self._arrived: queue.Queue[str | None] = queue.Queue(_LONGEST_QUEUE)

    def start(self) -> None:
        """Begin to sift; what arrived before is not lost."""
        start_thread("frame-cache-intake", self._work)

    def stop(self) -> None:
        """Stop sifting."""
        self._put(None)

    def arrived(self, orthanc_id: str) -> None:
        """An instance was stored. Returns at once: Orthanc's events wait for each other."""
        self._put(orthanc_id)

    @property
    def queue_length(self) -> int:
        """Instances that were not looked at yet."""
        return self._arrived.qsize()

    def _put(self, item: str | None) -> None:
        try:
            self._arrived.put_nowait(item)
        except queue.Full:
            self._metrics.count("dropped_from_queue")

    def _work(self) -> None:
        make_way()
        while True:
            batch = self._batch()
            if None in batch:
                return
            try:
                self._sift([orthanc_id for orthanc_id in batch if orthanc_id])
            except Exception as error:  # noqa: BLE001 - the next batch is sifted, whatever this one was
                self._metrics.count("errors")
                self._log.warning(f"frame cache: {len(batch)} new instances could not be looked at: {error}")

    def _batch(self) -> list[str | None]:
        batch = [self._arrived.get()]
        while len(batch) < _LARGEST_BATCH:
            try:
                batch.append(self._arrived.get_nowait())
            except queue.Empty:
                break
        return batch

    def _sift(self, orthanc_ids: Sequence[str]) -> None:
        body = json.dumps({"Resources": orthanc_ids, "Level": "Instance", "Metadata": True}).encode()
        answers: list[dict[str, Any]] = json.loads(self._api.post("/tools/bulk-content", body))
        for answer in answers:
            try:
                if self._is_worth_it(*_frames_and_size(answer)):
                    self._filler.submit(answer["ID"], Priority.ARRIVED)
            except (FrameCacheError, KeyError, ValueError, TypeError) as error:
                self._log.warning(f"frame cache: a new instance could not be looked at: {error}")


def _frames_and_size(answer: dict[str, Any]) -> tuple[int, int]:
    frames = number_of_frames(answer.get("MainDicomTags", {}))
    offset = int(answer.get("Metadata", {}).get("PixelDataOffset") or 0)
    size = int(answer.get("FileSize") or 0)
    if size < 0 or frames < 1:
        raise FrameCacheError("Orthanc's answer has no size")
    return frames, max(0, size - offset) // frames
