"""Jobs on instances: verify their cached blocks, or cache them."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from typing import Any

from framecache.admin.jobs import Job, Work
from framecache.instances.catalogue import Catalogue
from framecache.prefetch.scheduler import Scheduler
from framecache.prefetch.task import Priority
from framecache.store.block import Block, BrokenBlock
from framecache.store.parts import Blocks, Usage
from framecache.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

_MOST_REPORTED = 100


class Verification:
    """Reads and checks blocks, also those that no viewer requests for years."""

    def __init__(self, catalogue: Catalogue, blocks: Blocks, metrics: Metrics) -> None:
        self._catalogue, self._blocks, self._metrics = catalogue, blocks, metrics

    def of(self, orthanc_ids: Sequence[str]) -> Work:
        """The work of a job that verifies these instances.

        Its result counts "Blocks", "Frames" and "Damaged" blocks, and lists the first 100 "DamagedBlocks".
        """

        def work(job: Job) -> None:
            job.result = {"Blocks": 0, "Frames": 0, "Damaged": 0, "DamagedBlocks": []}
            for orthanc_id in orthanc_ids:
                for block in self._blocks_of(orthanc_id):
                    if job.is_cancelled:
                        return
                    self._verify(job, job.result, orthanc_id, block)
                job.advance()

        return work

    def _blocks_of(self, orthanc_id: str) -> list[Block]:
        blocks: list[Block] = self._catalogue.on_desk(lambda: self._blocks.of_instance(orthanc_id))
        return blocks

    def _verify(self, job: Job, result: dict[str, Any], orthanc_id: str, block: Block) -> None:
        try:
            block.verify()
        except BrokenBlock as error:
            # If it was evicted or replaced since it was listed, this block is not damaged.
            if block in self._blocks_of(orthanc_id):
                self._drop(result, orthanc_id, block, error)
        result["Blocks"] += 1
        result["Frames"] += block.count
        job.advance(0, block.size)

    def _drop(self, result: dict[str, Any], orthanc_id: str, block: Block, error: BrokenBlock) -> None:
        logger.warning("dropped a damaged block of %s: %s", orthanc_id, error)
        self._metrics.count("damaged_blocks")
        self._catalogue.on_desk(lambda: self._blocks.remove(block))
        self._catalogue.forget(orthanc_id)
        result["Damaged"] += 1
        if len(result["DamagedBlocks"]) < _MOST_REPORTED:
            damaged = {"ID": orthanc_id, "FirstFrame": block.first, "NumberOfFrames": block.count, "Error": str(error)}
            result["DamagedBlocks"].append(damaged)


_PAUSE_SECONDS = 0.1
_MOST_ERRORS = 100


class Warming:
    """Caches instances, at a lower priority than new ones."""

    def __init__(self, scheduler: Scheduler, catalogue: Catalogue, usage: Usage, *, most_queued: int = 500) -> None:
        """A job has up to `most_queued` instances in the queue.

        These are more than the workers extract between two polls, and few enough to withdraw them quickly.
        """
        self._scheduler, self._catalogue, self._usage = scheduler, catalogue, usage
        self._most_queued = most_queued

    def of(self, orthanc_ids: Sequence[str]) -> Work:
        """The work of a job that warms these instances.

        Its result counts instances "Cached", "Skipped" (excluded by the settings, or deleted) and "Failed", with the
        first 100 "Errors" by Orthanc ID.
        """

        def work(job: Job) -> None:
            job.result = {"Cached": 0, "Skipped": 0, "Failed": 0, "Errors": {}}
            left, queued = deque(orthanc_ids), list[str]()
            while (left or queued) and not job.is_cancelled:
                while left and len(queued) < self._most_queued and self._scheduler.has_room():
                    queued.append(left.popleft())
                    self._scheduler.submit(queued[-1], Priority.WARMED)
                job.pause(_PAUSE_SECONDS)
                busy = [orthanc_id for orthanc_id in queued if self._scheduler.is_busy_with(orthanc_id)]
                self._count(job, job.result, sorted(set(queued) - set(busy)))
                queued = busy
            for orthanc_id in queued:
                self._scheduler.withdraw(orthanc_id)

        return work

    def _count(self, job: Job, result: dict[str, Any], ended: Sequence[str]) -> None:
        for orthanc_id in ended:
            state = self._scheduler.state(orthanc_id)
            outcome = state.state.capitalize() if state and state.state in ("cached", "failed") else "Skipped"
            result[outcome] += 1
            if state and state.state == "failed" and len(result["Errors"]) < _MOST_ERRORS:
                result["Errors"][orthanc_id] = state.error
        usage = self._catalogue.on_desk(lambda: self._usage.instances(ended)) if ended else {}
        job.advance(len(ended), sum(one.size for one in usage.values()))
