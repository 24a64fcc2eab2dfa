"""One decoded frame as the JPEG or PNG of a rendered resource (PS3.18 sections 8.7.4 and 10.4.1.1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import imagecodecs
import numpy as np
from pydicom import Dataset

from framecache.codecs.process.colour import Palette, true_colour
from framecache.codecs.process.errors import Undecodable
from framecache.codecs.process.pixels import DecodedFrame, PixelDescription, Pixels
from framecache.codecs.process.viewport import Picture, Placement
from framecache.codecs.process.voi_lut import grey_function, grey_levels, rescale, stored_values
from framecache.dicomweb.rendering_parameters import JPEG, RenderingParameters, Viewport

# Of libpng's ways the quickest that makes small files of both smooth pictures and empty ones.
_PNG_OPTIONS = {"level": 1, "strategy": imagecodecs.PNG.STRATEGY.RLE, "filter": imagecodecs.PNG.FILTER.SUB}
_COLOUR = 3  # dimensions
_PALETTE = "PALETTE COLOR"
_GREYS = ("MONOCHROME1", "MONOCHROME2")


def render(data_set: Dataset, decoded: DecodedFrame, frame_number: int, parameters: Mapping[str, Any]) -> bytes:
    """The encoded picture of frame `frame_number` (from 1), as `RenderingParameters.to_message` asks for it.

    `data_set` is the instance's, with its File Meta Information. Raises Undecodable.
    """
    asked = RenderingParameters.from_message(parameters)
    picture = np.ascontiguousarray(draw(data_set, decoded, frame_number, asked))
    try:
        if asked.media_type == JPEG:
            # Of colour the chrominance is halved in both directions: libjpeg's default, and so the stock plugin's.
            return bytes(imagecodecs.jpeg8_encode(picture, level=asked.quality))
        return bytes(imagecodecs.png_encode(picture, **_PNG_OPTIONS))
    except (ValueError, RuntimeError) as error:
        raise Undecodable("the picture cannot be encoded") from error


def draw(data_set: Dataset, decoded: DecodedFrame, frame_number: int, parameters: RenderingParameters) -> Picture:
    """The picture, uint8 of shape (height, width) or (height, width, 3) RGB. Raises Undecodable."""
    rows, columns = decoded.pixels.shape[:2]
    placement = Placement.of(rows, columns, parameters.viewport or Viewport())
    region = decoded.pixels[placement.region]
    if not decoded.whole_samples:
        region = stored_values(region, PixelDescription.from_data_set(data_set))
    # The samples say whether a frame is grey, whatever it is called.
    if decoded.pixels.ndim == _COLOUR:
        return placement.place(_colour(data_set, decoded, placement.sample(region)))
    if decoded.photometric_interpretation == _PALETTE:
        return placement.place(Palette.from_data_set(data_set).look_up(placement.sample(region)))
    return placement.place(_grey(data_set, decoded, region, frame_number, parameters, placement))


def _colour(data_set: Dataset, decoded: DecodedFrame, shown: Pixels) -> Picture:
    is_called_grey = decoded.photometric_interpretation in _GREYS
    photometric_interpretation = "RGB" if is_called_grey else decoded.photometric_interpretation
    return true_colour(shown, photometric_interpretation, PixelDescription.from_data_set(data_set).bits_stored)


def _grey(
    data_set: Dataset,
    decoded: DecodedFrame,
    region: Pixels,
    frame_number: int,
    parameters: RenderingParameters,
    placement: Placement,
) -> Picture:
    if not region.size:
        return np.zeros((0, 0), np.uint8)
    extremes = np.array([region.min(), region.max()], np.float32)
    with np.errstate(all="ignore"):
        function = grey_function(parameters.window, *rescale(data_set, frame_number), extremes)
    shown = placement.sample(region)
    return grey_levels(shown, function, invert=decoded.photometric_interpretation == "MONOCHROME1")
