"""One instance as memory has it: where it is stored, and which blocks of it are in the cache."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from framecache.dicom.frame_index import IndexedFrames
from framecache.dicom.frame_table import FrameTable
from framecache.orthanc.instance import Instance
from framecache.policy.policy import Treatment
from framecache.store.block import Block
from framecache.store.block_format import BlockGone, BrokenBlock
from framecache.telemetry.metrics import MissCause

USUAL_TREATMENT = Treatment("arrival", "auto")


@dataclass(slots=True)
class Entry:
    """One instance in memory. `stored_path` is the file that its frames can be read from, if there is one.

    `proof_path` is the file by whose existence it is true: Orthanc may have compressed that one, or keep it elsewhere.
    `treatment` is what the rules said when Orthanc last described it: who caches, serves or writes asks no more.
    With an `index` its frames are served from the stored file, and count as cached. `lost` says of frames whose
    blocks turned out not to be there, by form and number, why.
    """

    instance: Instance
    stored_path: str | None
    checked_at: float
    treatment: Treatment = USUAL_TREATMENT
    blocks: dict[tuple[str, int], Block] = field(default_factory=dict)
    frame_table: FrameTable | None = None
    index: IndexedFrames | None = None
    proof_path: str | None = None
    lost: dict[tuple[str, int], MissCause] = field(default_factory=dict)
    _broken: dict[Block, MissCause] = field(default_factory=dict)

    def add(self, block: Block) -> None:
        """Take a block into account that was just written."""
        for number in block.frame_numbers:
            self.blocks[block.representation, number] = block
            self.lost.pop((block.representation, number), None)

    def take_stock(self, blocks: Iterable[Block]) -> None:
        """These are the blocks that there are: others were evicted or lost meanwhile."""
        known = {block: block for block in list(self.blocks.values())}
        found = {}
        for block in blocks:
            if block not in self._broken:  # by a reader, since `blocks` were looked up
                kept = known.get(block, block)  # its header may have been read
                found.update({(block.representation, number): kept for number in block.frame_numbers})
        self.blocks = found

    def drop(self, block: Block, why: BrokenBlock) -> MissCause:
        """Take a block out of account, and return what has become of it: once, however many readers met it."""
        cause: MissCause = "evicted" if isinstance(why, BlockGone) else "damaged"
        for key in [(block.representation, number) for number in block.frame_numbers]:
            if self.blocks.get(key) == block:
                self.blocks.pop(key, None)
                self.lost[key] = self._broken[block] = cause
        return cause

    def take_broken(self) -> dict[Block, MissCause]:
        """The blocks that were dropped since this was last called, and why: whoever may write has them removed."""
        broken, self._broken = self._broken, {}
        return broken.copy()  # a request that came before the exchange may still be adding to it
