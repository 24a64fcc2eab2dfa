"""Where frames lie that are kept in one object: the rows of its table, of which those that were read are kept."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from framecache.bounded_dict import BoundedDict
from framecache.tree import layout
from framecache.tree.errors import Damaged
from framecache.tree.frame_writer import ROW
from framecache.tree.objects import Objects
from framecache.tree.record import Record

Row = tuple[int, int, int, int]  # the members of ROW
_ROWS, _MOST_BLOCKS = 512, 256  # of 16 kB: 4 MB in all


class FrameTables:
    """Reads tables block by block, so that the frames near one that was read need no request but their own.

    A table never changes: it is named by its source's checksum. Safe for several threads.
    """

    def __init__(self, objects: Objects, *, rows: int = _ROWS, most_blocks: int = _MOST_BLOCKS) -> None:
        """`most_blocks` of so many `rows` are kept."""
        self._objects, self._rows, self._lock = objects, rows, threading.Lock()
        self._blocks: BoundedDict[tuple[str, int], bytes] = BoundedDict(most_blocks)

    def rows(self, record: Record, numbers: Sequence[int]) -> tuple[list[Row], bool]:
        """The rows of these frames, and whether any was kept from before. Raises Missing, Damaged, Unreachable."""
        sha256, places = record.origin.sha256, [divmod(number - 1, self._rows) for number in numbers]
        wanted = sorted({block for block, _ in places})
        with self._lock:
            blocks = {block: self._blocks[sha256, block] for block in wanted if (sha256, block) in self._blocks}
        missing = [block for block in wanted if block not in blocks]
        if missing:
            blocks |= self._read(record, missing)
        return [ROW.unpack_from(blocks[block], row * ROW.size) for block, row in places], len(missing) < len(wanted)

    def forget(self, record: Record) -> None:
        """Read its table anew when it is wanted next."""
        with self._lock:
            for key in [key for key in self._blocks if key[0] == record.origin.sha256]:
                del self._blocks[key]

    def _read(self, record: Record, blocks: Sequence[int]) -> dict[int, bytes]:
        sha256 = record.origin.sha256
        starts = [block * self._rows * ROW.size for block in blocks]
        end = record.number_of_frames * ROW.size
        lengths = [min(self._rows * ROW.size, end - start) for start in starts]
        contents = list(map(bytes, self._objects.read_ranges(layout.version(sha256, "table"), starts, lengths)))
        if [len(content) for content in contents] != lengths:
            raise Damaged(f"the table of the frames of {record.path} is cut off")
        with self._lock:
            for block, content in zip(blocks, contents, strict=True):
                self._blocks[sha256, block] = content
        return dict(zip(blocks, contents, strict=True))
