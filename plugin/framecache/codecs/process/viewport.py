"""The geometry of a rendered picture (PS3.18 section 8.3.5.1.3), as the stock DICOMweb plugin has it.

The region keeps its aspect ratio, is sampled without smoothing, and is centred in a picture of the size asked for;
what it does not cover is black.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from framecache.codecs.process.errors import Undecodable
from framecache.dicomweb.rendering_parameters import Viewport

Picture = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.intp]
_LARGEST_AREA = 1 << 27  # pixels


@dataclass(frozen=True, slots=True)
class Placement:
    """Which pixels of a frame are shown, and where: `rows` and `columns` index the region, in their order."""

    region: tuple[slice, slice]
    rows: Indices
    columns: Indices
    height: int
    width: int

    @classmethod
    def of(cls, frame_rows: int, frame_columns: int, viewport: Viewport) -> Self:
        """How a frame of this size is placed. Raises Undecodable for a picture too large to be made."""
        height, width = viewport.height or frame_rows, viewport.width or frame_columns
        if height * width > _LARGEST_AREA:
            raise Undecodable("the picture would be too large")
        vertical = _extent(viewport.top, viewport.region_height, frame_rows)
        horizontal = _extent(viewport.left, viewport.region_width, frame_columns)
        region_rows, region_columns = len(range(*vertical)), len(range(*horizontal))
        shown_rows, shown_columns = _fit(region_rows, region_columns, height, width)
        return cls(
            (slice(*vertical), slice(*horizontal)),
            _nearest(region_rows, shown_rows, flip=viewport.flip_vertically),
            _nearest(region_columns, shown_columns, flip=viewport.flip_horizontally),
            height,
            width,
        )

    def sample(self, region: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The region's pixels that are shown: of shape (len(rows), len(columns), …)."""
        rows = region if _is_identity(self.rows, region.shape[0]) else region[self.rows]
        return rows if _is_identity(self.columns, region.shape[1]) else rows[:, self.columns]

    def place(self, shown: Picture) -> Picture:
        """What is shown, in the middle of a black picture of (height, width, …)."""
        if shown.shape[:2] == (self.height, self.width):
            return shown
        picture = np.zeros((self.height, self.width, *shown.shape[2:]), np.uint8)
        top, left = (self.height - shown.shape[0]) // 2, (self.width - shown.shape[1]) // 2
        picture[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
        return picture


def _extent(start: int, length: int | None, whole: int) -> tuple[int, int]:
    """The first pixel and the one behind the last; both 0 where the region begins outside the frame."""
    if start >= whole:
        return 0, 0
    return start, whole if length is None else min(whole, start + length)


def _fit(rows: int, columns: int, height: int, width: int) -> tuple[int, int]:
    """The size of the region in the picture, reckoned in 32 bits as the stock plugin does."""
    if not (rows and columns):
        return 0, 0
    ratio = min(np.float32(width) / np.float32(columns), np.float32(height) / np.float32(rows))
    return min(_round(rows * ratio), height), min(_round(columns * ratio), width)


def _round(value: np.float32) -> int:
    return int(np.floor(value + np.float32(0.5)))


def _nearest(source: int, target: int, *, flip: bool) -> Indices:
    """For each of `target` pixels the one of `source` under its centre."""
    if not target:
        return np.zeros(0, np.intp)
    scale = np.float32(source) / np.float32(target)
    centres = (np.arange(target, dtype=np.float32) + np.float32(0.5)) * scale
    indices = np.minimum(np.floor(centres).astype(np.intp), source - 1)
    nearest: Indices = source - 1 - indices if flip else indices
    return nearest


def _is_identity(indices: Indices, length: int) -> bool:
    return len(indices) == length and bool((indices == np.arange(length)).all())
