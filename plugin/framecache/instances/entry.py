"""What memory knows of one instance: where it is stored, and which blocks of it are cached."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from framecache.dicom.frame_index import IndexedFrames
from framecache.dicom.frame_table import FrameTable
from framecache.orthanc.instance import Instance
from framecache.policy.policy import Treatment
from framecache.store.block import Block, BlockGone, BrokenBlock
from framecache.telemetry.metrics import MissCause

USUAL_TREATMENT = Treatment("arrival", "auto")


@dataclass(slots=True)
class Entry:
    """One instance. `stored_path` is the file that its frames can be read from, if there is one.

    The entry is true while the file at `proof_path` exists, which Orthanc may have compressed; None: kept elsewhere.
    `treatment` is what the rules said when Orthanc last described it: who caches, serves or writes asks no more.
    With an `index` its frames are served from the stored file, and count as cached. `blocks` and `lost` are by form and
    frame number; `lost` says why a frame whose block could not be read is not cached any more.
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
        """Add a block that was just written."""
        for number in block.frame_numbers:
            self.blocks[block.representation, number] = block
            self.lost.pop((block.representation, number), None)

    def set_blocks(self, blocks: Iterable[Block]) -> None:
        """Replace the blocks by those that the store has now; others were evicted or removed meanwhile."""
        known = {block: block for block in list(self.blocks.values())}
        found = {}
        for block in blocks:
            if block not in self._broken:  # a reader has dropped it since `blocks` were listed
                kept = known.get(block, block)  # its header may be known
                found.update({(block.representation, number): kept for number in block.frame_numbers})
        self.blocks = found

    def drop(self, block: Block, why: BrokenBlock) -> MissCause:
        """Remove a block that could not be read, and return why; it counts once, however many readers met it."""
        cause: MissCause = "evicted" if isinstance(why, BlockGone) else "damaged"
        for key in [(block.representation, number) for number in block.frame_numbers]:
            if self.blocks.get(key) == block:
                self.blocks.pop(key, None)
                self.lost[key] = self._broken[block] = cause
        return cause

    def take_broken(self) -> dict[Block, MissCause]:
        """The blocks that were dropped since the last call, and why: whoever may write removes them from the store."""
        broken, self._broken = self._broken, {}
        return broken.copy()  # a request that came before the exchange may still be adding to it
