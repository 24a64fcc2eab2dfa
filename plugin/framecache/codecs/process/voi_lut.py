"""From stored values to grey levels: Modality LUT, VOI LUT, inversion (PS3.3 sections C.11.1 and C.11.2).

As the stock DICOMweb plugin does it, in floating point of 32 bits, so that the pictures are equal to the last bit:

- a window comes from the request only. Without one, whatever Window Center, VOI LUT Sequence or Frame VOI LUT the
  data set has, the smallest value of the region shown becomes black and its largest white;
- slope and intercept are the data set's, else those of the frame's own functional group; neither the shared group
  nor a Modality LUT Sequence is looked at;
- LINEAR_EXACT lacks the half width that PS3.3 section C.11.2.1.3.2 adds: its lower half is black.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from framecache.codecs.process.pixels import PixelDescription, Pixels
from framecache.dicomweb.rendering_parameters import Window

Reals = npt.NDArray[np.float32]
Levels = npt.NDArray[np.uint8]
GreyFunction = Callable[[Reals], Reals]
_WHITE = 255
_BYTE = 8  # bits
_LUT_DTYPES = (np.uint8, np.int8, np.uint16, np.int16)
_LARGEST_LUT = 1 << 16  # entries


def stored_values(pixels: Pixels, description: PixelDescription) -> Pixels:
    """`pixels` without the bits above High Bit and below the stored ones, the sign extended (PS3.5 section 8.1.1).

    Single bits are black and white before any window, as the stock plugin has them.
    """
    if description.bits_allocated == 1:
        return pixels * np.uint8(_WHITE)
    allocated = pixels.itemsize * _BYTE
    if description.bits_stored >= allocated:
        return pixels
    high_bit = min(max(description.high_bit, description.bits_stored - 1), allocated - 1)
    values: Pixels = pixels << (allocated - 1 - high_bit)
    values >>= allocated - description.bits_stored
    return values


def rescale(data_set: Dataset, frame_number: int) -> tuple[np.float32, np.float32]:
    """Rescale Slope and Intercept of the frame; (1, 0) where either is missing or not a number."""
    for group in (data_set, _pixel_value_transformation(data_set, frame_number)):
        slope, intercept = _decimal(group, "RescaleSlope"), _decimal(group, "RescaleIntercept")
        if slope is not None and intercept is not None:
            return slope, intercept
    return np.float32(1), np.float32(0)


def _pixel_value_transformation(data_set: Dataset, frame_number: int) -> Dataset:
    """The frame's own item (PS3.3 section C.7.6.16.2.9), an empty one where it has none."""
    try:
        item: Dataset = data_set.PerFrameFunctionalGroupsSequence[frame_number - 1].PixelValueTransformationSequence[0]
    except (AttributeError, TypeError, ValueError, IndexError):
        return Dataset()
    return item


def _decimal(group: Dataset, keyword: str) -> np.float32 | None:
    try:
        value = float(group.get(keyword))
    except (AttributeError, TypeError, ValueError, OverflowError):
        return None
    return np.float32(value) if math.isfinite(value) else None


def grey_function(window: Window | None, slope: np.float32, intercept: np.float32, extremes: Reals) -> GreyFunction:
    """Stored values to 0 … 255; `extremes` are the smallest and the largest stored value of the region."""
    voi = _whole_range(slope * extremes + intercept) if window is None else _VOI_FUNCTIONS[window.function](window)
    return lambda values: voi(slope * values + intercept)


def _whole_range(extremes: Reals) -> GreyFunction:
    darkest, brightest = extremes
    scale = np.float32(_WHITE) / (brightest - darkest)
    return lambda x: (x - darkest) * scale


def _linear(window: Window) -> GreyFunction:
    """PS3.3 section C.11.2.1.2.1."""
    c, w = np.float32(window.center), np.float32(window.width)
    half, one, white = np.float32(0.5), np.float32(1), np.float32(_WHITE)
    low, high = c - half - (w - one) / 2, c - half + (w - one) / 2
    slope, offset = white / (w - one), white * (half * w - c) / (w - one)
    return lambda x: np.where(x <= low, 0, np.where(x > high, white, x * slope + offset))


def _linear_exact(window: Window) -> GreyFunction:
    """The stock plugin's: PS3.3 section C.11.2.1.3.2 has (x - c) / w + 0.5."""
    c, w, white = np.float32(window.center), np.float32(window.width), np.float32(_WHITE)
    low, high = c - w / 2, c + w / 2
    return lambda x: np.where(x <= low, 0, np.where(x > high, white, x * (white / w) - c * white / w))


def _sigmoid(window: Window) -> GreyFunction:
    """PS3.3 section C.11.2.1.3.1."""
    c, w = np.float32(window.center), np.float32(window.width)
    return lambda x: np.float32(_WHITE) / (np.float32(1) + np.exp(np.float32(-4) * (x - c) / w))


_VOI_FUNCTIONS = {"linear": _linear, "linear-exact": _linear_exact, "sigmoid": _sigmoid}


def grey_levels(values: Pixels, function: GreyFunction, *, invert: bool) -> Levels:
    """`function` of each value, rounded half up; what is no number (a range of one value) becomes black."""
    if values.dtype not in _LUT_DTYPES or values.size < _LARGEST_LUT:
        return _levels(values, function, invert=invert)
    # All values that a sample can have, in the order of their bits: a look-up is quicker than the function.
    domain = np.arange(1 << values.itemsize * _BYTE, dtype=f"u{values.itemsize}")
    lut = _levels(domain.view(values.dtype), function, invert=invert)
    return lut[values.view(domain.dtype)]


def _levels(values: npt.NDArray[Any], function: GreyFunction, *, invert: bool) -> Levels:
    with np.errstate(all="ignore"):
        levels = np.nan_to_num(function(values.astype(np.float32)) + np.float32(0.5), nan=0.0)
        rounded: Levels = np.clip(levels, 0, _WHITE).astype(np.uint8)
    return _WHITE - rounded if invert else rounded
