"""How large a frame is, as its code stream says it."""

from __future__ import annotations

from dataclasses import dataclass

from framecache.codecs.process.errors import Undecodable
from framecache.codecs.process.pixels import PixelDescription


@dataclass(frozen=True, slots=True)
class Geometry:
    """Of a frame as its code stream says it."""

    rows: int
    columns: int
    components: int

    def check(self, description: PixelDescription) -> None:
        """Raises Undecodable where the data set says otherwise."""
        expected = Geometry(description.rows, description.columns, description.samples_per_pixel)
        if self != expected:
            raise Undecodable(f"the frame has {self}, its header says {expected}")

    def __str__(self) -> str:
        return f"{self.rows} rows of {self.columns} pixels of {self.components} samples"
