"""Colour pixels to RGB (PS3.3 section C.7.6.3.1.2); no window changes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from framecache.codecs.process.errors import Undecodable

Colours = npt.NDArray[np.uint8]
Samples = npt.NDArray[Any]
_BYTE = 8  # bits
_BRIGHTEST = 255
# The transforms of JPEG 2000 are undone inside its code stream; other syntaxes know none, whatever they are called.
_RGB = ("RGB", "YBR_RCT", "YBR_ICT")
_RED_FROM_CR, _GREEN_FROM_CB, _GREEN_FROM_CR, _BLUE_FROM_CB = 1.402, 0.344136, 0.714136, 1.772


def true_colour(pixels: Samples, photometric_interpretation: str, bits_stored: int) -> Colours:
    """`pixels`, of shape (…, 3), as RGB of 8 bits. Raises Undecodable for colours of a name that is not known."""
    if pixels.shape[2:] != (3,):
        raise Undecodable("colour has three samples")
    colours = _most_significant(pixels, bits_stored)
    if photometric_interpretation in _RGB:
        return colours
    if photometric_interpretation in ("YBR_FULL", "YBR_FULL_422"):
        return from_ybr_full(colours, _BYTE)
    raise Undecodable(f"{photometric_interpretation} is not shown")


def _most_significant(pixels: Samples, bits_stored: int) -> Colours:
    """8 bits of each sample; what loss made of the brightest stays the brightest."""
    if pixels.dtype == np.uint8 and bits_stored <= _BYTE:
        return pixels
    brightest: Colours = np.clip(pixels >> max(0, bits_stored - _BYTE), 0, _BRIGHTEST).astype(np.uint8)
    return brightest


def from_ybr_full(pixels: Samples, bits: int) -> Samples:
    """RGB of YBR_FULL samples of `bits` bits: the inverse of PS3.3 section C.7.6.3.1.2.

    Rounded down as the stock plugin's decoder does.
    """
    y, cb, cr = np.moveaxis(pixels.astype(np.float64), -1, 0)
    neutral, brightest = 1 << (bits - 1), (1 << bits) - 1
    cb -= neutral
    cr -= neutral
    rgb = y + _RED_FROM_CR * cr, y - _GREEN_FROM_CB * cb - _GREEN_FROM_CR * cr, y + _BLUE_FROM_CB * cb
    rounded: Samples = np.clip(np.stack(rgb, axis=-1), 0, brightest).astype(pixels.dtype)
    return rounded
