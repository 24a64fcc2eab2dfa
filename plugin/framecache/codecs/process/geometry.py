"""How large a frame is, as its code stream says it."""

from __future__ import annotations

from dataclasses import dataclass, field

from framecache.codecs.process.errors import Undecodable
from framecache.codecs.process.pixels import PixelDescription

_SHOWN = (1, 3)


@dataclass(frozen=True, slots=True)
class Geometry:
    """Of a frame as its code stream says it; `precision` is of a sample, in bits."""

    rows: int
    columns: int
    components: int
    precision: int = field(default=0, compare=False)

    def check(self, description: PixelDescription) -> None:
        """Raises Undecodable where the data set says otherwise."""
        expected = Geometry(description.rows, description.columns, description.samples_per_pixel)
        if self != expected:
            raise Undecodable(f"the frame has {self}, its header says {expected}")

    def fits(self, description: PixelDescription) -> bool:
        """Whether it is no larger than the data set says, and grey or of three colours."""
        is_no_larger = 0 < self.rows <= description.rows and 0 < self.columns <= description.columns
        return is_no_larger and self.components in _SHOWN

    def __str__(self) -> str:
        return f"{self.rows} rows of {self.columns} pixels of {self.components} samples"
