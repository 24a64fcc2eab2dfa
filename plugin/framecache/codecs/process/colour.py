"""Colour pixels to RGB of 8 bits (PS3.3 section C.7.6.3.1.2); no window changes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from framecache.codecs.process.errors import Undecodable

Colours = npt.NDArray[np.uint8]
_BYTE = 8  # bits
_NEUTRAL, _BRIGHTEST = 128, 255
# The transforms of JPEG 2000 are undone inside its code stream; other syntaxes know none, whatever they are called.
_RGB = ("RGB", "YBR_RCT", "YBR_ICT")
_RED_FROM_CR, _GREEN_FROM_CB, _GREEN_FROM_CR, _BLUE_FROM_CB = 1.402, 0.344136, 0.714136, 1.772


def true_colour(pixels: npt.NDArray[Any], photometric_interpretation: str, bits_stored: int) -> Colours:
    """`pixels`, of shape (…, 3), as RGB. Raises Undecodable for a photometric interpretation that is not known."""
    if pixels.shape[2:] != (3,):
        raise Undecodable("colour has three samples")
    colours = _most_significant(pixels, bits_stored)
    if photometric_interpretation in _RGB:
        return colours
    if photometric_interpretation in ("YBR_FULL", "YBR_FULL_422"):
        return _from_ybr_full(colours)
    raise Undecodable(f"{photometric_interpretation} is not shown")


def _most_significant(pixels: npt.NDArray[Any], bits_stored: int) -> Colours:
    """8 bits of each sample; what loss made of the brightest stays the brightest."""
    if pixels.dtype == np.uint8 and bits_stored <= _BYTE:
        return pixels
    brightest: Colours = np.clip(pixels >> max(0, bits_stored - _BYTE), 0, _BRIGHTEST).astype(np.uint8)
    return brightest


def _from_ybr_full(colours: Colours) -> Colours:
    """The inverse of PS3.3 section C.7.6.3.1.2, rounded down as the stock plugin's decoder does."""
    y, cb, cr = np.moveaxis(colours.astype(np.float64), -1, 0)
    cb -= _NEUTRAL
    cr -= _NEUTRAL
    rgb = y + _RED_FROM_CR * cr, y - _GREEN_FROM_CB * cb - _GREEN_FROM_CR * cr, y + _BLUE_FROM_CB * cb
    rounded: Colours = np.clip(np.stack(rgb, axis=-1), 0, _BRIGHTEST).astype(np.uint8)
    return rounded
