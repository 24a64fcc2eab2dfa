"""Verification: every block of an instance is read and compared with its checksums, and a damaged one dropped."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from framecache.admin.jobs import Job, Work
from framecache.instances.catalogue import Catalogue
from framecache.store.block import Block
from framecache.store.block_format import BrokenBlock
from framecache.store.frame_store import FrameStore
from framecache.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

_MOST_TOLD = 100


class Verification:
    """Reads what a viewer may not ask for in years."""

    def __init__(self, catalogue: Catalogue, store: FrameStore, metrics: Metrics) -> None:
        self._catalogue, self._store, self._metrics = catalogue, store, metrics

    def of(self, orthanc_ids: Sequence[str]) -> Work:
        """The work of a job that verifies these instances.

        Its result counts "Blocks", "Frames" and those "Damaged", and tells the first "DamagedBlocks".
        """

        def work(job: Job) -> None:
            job.result = {"Blocks": 0, "Frames": 0, "Damaged": 0, "DamagedBlocks": []}
            for orthanc_id in orthanc_ids:
                for block in self._blocks(orthanc_id):
                    if job.is_cancelled:
                        return
                    self._verify(job, job.result, orthanc_id, block)
                job.advance()

        return work

    def _blocks(self, orthanc_id: str) -> list[Block]:
        blocks: list[Block] = self._catalogue.on_desk(lambda: self._store.blocks_of(orthanc_id))
        return blocks

    def _verify(self, job: Job, result: dict[str, Any], orthanc_id: str, block: Block) -> None:
        try:
            block.verify()
        except BrokenBlock as error:
            # Evicted or written again since it was listed: then it is not this block that is damaged.
            if block in self._blocks(orthanc_id):
                self._drop(result, orthanc_id, block, error)
        result["Blocks"] += 1
        result["Frames"] += block.count
        job.advance(0, block.size)

    def _drop(self, result: dict[str, Any], orthanc_id: str, block: Block, error: BrokenBlock) -> None:
        logger.warning("dropped a damaged block of %s: %s", orthanc_id, error)
        self._metrics.count("damaged_blocks")
        self._catalogue.on_desk(lambda: self._store.forget_block(block))
        self._catalogue.forget(orthanc_id)
        result["Damaged"] += 1
        if len(result["DamagedBlocks"]) < _MOST_TOLD:
            told = {"ID": orthanc_id, "FirstFrame": block.first, "NumberOfFrames": block.count, "Error": str(error)}
            result["DamagedBlocks"].append(told)
