"""One instance as memory has it: where it is stored, and which blocks of it are in the cache."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from framecache.dicom.frame_index import IndexedFrames
from framecache.dicom.frame_table import FrameTable
from framecache.orthanc.instance import Instance
from framecache.store import block
from framecache.store.block import BlockFrame, BlockGone, BrokenBlock
from framecache.store.frame_store import BlockRow
from framecache.telemetry.metrics import MissCause


@dataclass(slots=True)
class CachedBlock:
    """A block and, once it was read, where each frame lies in it."""

    row: BlockRow
    _frames: dict[int, BlockFrame] | None = None

    def frame(self, frame_number: int) -> BlockFrame | None:
        """Where the frame lies. Raises BrokenBlock."""
        if self._frames is None:
            self._frames = block.read_header(self.row.path, self.row.key, self.row.count)
        return self._frames.get(frame_number)


@dataclass(slots=True)
class Entry:
    """One instance in memory. `stored_path` is the file that its frames can be read from, if there is one.

    `proof_path` is the file by whose existence it is true: Orthanc may have compressed that one, or keep it elsewhere.
    With an `index` its frames are served from the stored file, and count as cached. `lost` says of frames whose
    blocks turned out not to be there, by form and number, why.
    """

    instance: Instance
    stored_path: str | None
    checked_at: float
    blocks: dict[tuple[str, int], CachedBlock] = field(default_factory=dict)
    frame_table: FrameTable | None = None
    index: IndexedFrames | None = None
    proof_path: str | None = None
    lost: dict[tuple[str, int], MissCause] = field(default_factory=dict)
    _broken: dict[BlockRow, MissCause] = field(default_factory=dict)

    def add(self, row: BlockRow) -> None:
        """Take a block into account that was just written."""
        cached = CachedBlock(row)
        for i in range(row.count):
            self.blocks[row.representation, row.first + i] = cached
            self.lost.pop((row.representation, row.first + i), None)

    def take_stock(self, rows: Iterable[BlockRow]) -> None:
        """These are the blocks that there are: others were evicted or lost meanwhile."""
        known = {cached.row: cached for cached in list(self.blocks.values())}
        blocks = {}
        for row in rows:
            if row in self._broken:  # by a reader, since `rows` were looked up
                continue
            cached = known.get(row) or CachedBlock(row)
            blocks.update({(row.representation, row.first + i): cached for i in range(row.count)})
        self.blocks = blocks

    def drop(self, row: BlockRow, why: BrokenBlock) -> MissCause:
        """Take a block out of account, and return what has become of it: once, however many readers met it."""
        cause: MissCause = "evicted" if isinstance(why, BlockGone) else "damaged"
        for key in [(row.representation, row.first + i) for i in range(row.count)]:
            if (cached := self.blocks.get(key)) is not None and cached.row == row:
                self.blocks.pop(key, None)
                self.lost[key] = self._broken[row] = cause
        return cause

    def take_broken(self) -> dict[BlockRow, MissCause]:
        """The blocks that were dropped since this was last called, and why: whoever may write has them removed."""
        broken, self._broken = self._broken, {}
        return broken.copy()  # a request that came before the exchange may still be adding to it
