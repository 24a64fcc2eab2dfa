"""Reading one frame whose places are known from its stored file, in as few calls as it can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from framecache.dicom.byte_reader import FileReader
from framecache.dicom.frame_table import Extent

# Between fragments lie 8 bytes of item header (PS3.5 table A.4-1): reading them costs less than a call per fragment.
_WIDEST_GAP = 4096
_MOST_VIEWS = 1000  # the kernel takes 1024


def read_stored_frame(path: str, extents: Sequence[Extent], target: memoryview) -> None:
    """Fill `target` with the runs of a frame, one behind the other. Raises InstanceGone, SourceError."""
    with FileReader(path, whole=False) as stored:
        if len(extents) == 1:
            stored.read_into(extents[0].offset, target)
            return
        for offset, views in _sweeps(extents, target):
            stored.scatter(offset, views)


def _sweeps(extents: Sequence[Extent], target: memoryview) -> Iterator[tuple[int, list[memoryview]]]:
    """Runs that lie close together become one read; what is between them is read and thrown away."""
    start = end = extents[0].offset
    views: list[memoryview] = []
    position, waste = 0, memoryview(bytearray(_WIDEST_GAP))
    for extent in extents:
        gap = extent.offset - end
        if views and not (0 <= gap <= _WIDEST_GAP and len(views) < _MOST_VIEWS):
            yield start, views
            start, views = extent.offset, []
        elif gap:
            views.append(waste[:gap])
        views.append(target[position : position + extent.length])
        position, end = position + extent.length, extent.offset + extent.length
    yield start, views
