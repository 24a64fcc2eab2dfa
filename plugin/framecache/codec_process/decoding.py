"""One stored frame to an array of pixels."""

from __future__ import annotations

import numpy as np

from framecache.codec_process.errors import Undecodable
from framecache.codec_process.pixels import DecodedFrame, PixelDescription


def decode(frame: bytes, description: PixelDescription) -> DecodedFrame:
    """The pixels of `frame`, the joined fragments of one stored frame. Raises Undecodable."""
    # Native only, until the codecs are in.
    if len(frame) != description.decoded_size:
        raise Undecodable("the frame does not have the length that its header says")
    pixels = np.frombuffer(frame, description.dtype).reshape(description.shape)
    return DecodedFrame(pixels, description.photometric_interpretation)
