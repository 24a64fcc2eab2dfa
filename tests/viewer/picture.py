"""Which frame a screenshot of a viewport shows."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from dev.encoding import Frame
from dev.sample import Sample

Levels = npt.NDArray[np.float32]


def expected(sample: Sample) -> list[Levels]:
    """The frames as a display shows them, 0 to 255, of shape (rows, columns, 3)."""
    return [_displayed(frame) for frame in sample.pixels()]


def _displayed(frame: Frame) -> Levels:
    """Grey through the window of the samples' data sets (PS3.3 C.11.2.1.2.1, linear), colour as it is."""
    if frame.ndim == 3:
        return frame.astype(np.float32)
    grey = np.clip((frame.astype(np.float32) - 1099.5) / 2199 + 0.5, 0, 1) * 255
    return np.repeat(grey[..., None], 3, axis=2)


def picture(screenshot: bytes, rows: int, columns: int) -> Levels:
    """The image in a viewport, scaled back to its own size.

    Cornerstone fits the distance between the outermost pixels' centres into the viewport, and puts the image half a
    pixel too far up and left: the first pixel's centre lies where its corner should.
    """
    view = Image.open(BytesIO(screenshot)).convert("RGB")
    scale = min(view.width / (columns - 1), view.height / (rows - 1))
    left, top = (view.width - scale * columns) / 2, (view.height - scale * rows) / 2
    matrix = (scale, 0, left - scale / 2, 0, scale, top - scale / 2)
    image = view.transform((columns, rows), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=np.float32)


def nearest(shown: Levels, frames: Sequence[Levels]) -> tuple[int, float]:
    """The number (from 1) of the frame that looks most like what is shown, and their mean difference in levels."""
    differences = [float(np.abs(shown - frame).mean()) for frame in frames]
    index = int(np.argmin(differences))
    return index + 1, differences[index]
