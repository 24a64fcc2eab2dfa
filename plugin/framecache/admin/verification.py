"""Verification: every block of an instance is read and compared with its checksums, and a damaged one dropped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from framecache.admin.jobs import Job, Work
from framecache.instances.catalogue import Catalogue
from framecache.ports import Log
from framecache.store import block
from framecache.store.block import BrokenBlock
from framecache.store.frame_store import BlockRow, FrameStore
from framecache.telemetry.metrics import Metrics

_MOST_TOLD = 100


class Verification:
    """Reads what a viewer may not ask for in years."""

    def __init__(self, catalogue: Catalogue, store: FrameStore, metrics: Metrics, log: Log) -> None:
        self._catalogue, self._store, self._metrics, self._log = catalogue, store, metrics, log

    def of(self, orthanc_ids: Sequence[str]) -> Work:
        """The work of a job that verifies these instances.

        Its result counts "Blocks", "Frames" and those "Damaged", and tells the first "DamagedBlocks".
        """

        def work(job: Job) -> None:
            job.result = {"Blocks": 0, "Frames": 0, "Damaged": 0, "DamagedBlocks": []}
            for orthanc_id in orthanc_ids:
                for row in self._rows(orthanc_id):
                    if job.is_cancelled:
                        return
                    self._verify(job, job.result, orthanc_id, row)
                job.advance()

        return work

    def _rows(self, orthanc_id: str) -> list[BlockRow]:
        rows: list[BlockRow] = self._catalogue.on_desk(lambda: self._store.blocks_of(orthanc_id))
        return rows

    def _verify(self, job: Job, result: dict[str, Any], orthanc_id: str, row: BlockRow) -> None:
        try:
            _read(row)
        except BrokenBlock as error:
            # Evicted or written again since it was listed: then it is not this block that is damaged.
            if row in self._rows(orthanc_id):
                self._drop(result, orthanc_id, row, error)
        result["Blocks"] += 1
        result["Frames"] += row.count
        job.advance(0, row.size)

    def _drop(self, result: dict[str, Any], orthanc_id: str, row: BlockRow, error: BrokenBlock) -> None:
        self._log.warning(f"frame cache: a damaged block of {orthanc_id} was dropped: {error}")
        self._metrics.count("damaged_blocks")
        self._catalogue.on_desk(lambda: self._store.forget_block(row))
        self._catalogue.forget(orthanc_id)
        result["Damaged"] += 1
        if len(result["DamagedBlocks"]) < _MOST_TOLD:
            told = {"ID": orthanc_id, "FirstFrame": row.first, "NumberOfFrames": row.count, "Error": str(error)}
            result["DamagedBlocks"].append(told)


def _read(row: BlockRow) -> None:
    """Raises BrokenBlock."""
    for frame in block.read_header(row.path, row.key, row.count).values():
        block.read_frame(row.path, frame, memoryview(bytearray(frame.length)))
