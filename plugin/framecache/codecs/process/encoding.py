"""An array of pixels to one frame of another transfer syntax: without loss wherever the syntax knows of a way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from framecache.codecs import targets
from framecache.codecs.process.errors import Undecodable, Unwritable
from framecache.codecs.process.jpeg import (
    encode_jpeg_baseline,
    encode_jpeg_extended,
    encode_jpeg_lossless,
    encode_jpeg_ls,
)
from framecache.codecs.process.jpeg_2000_encoder import encode_htj2k, encode_jpeg_2000
from framecache.codecs.process.pixels import DecodedFrame, PixelDescription
from framecache.codecs.process.rle import encode_rle
from framecache.dicom.transfer_syntax import Encoding, lookup

Encoder = Callable[[DecodedFrame, PixelDescription], bytes]
_COMPRESSIBLE = (8, 16, 32)  # BitsAllocated


def encode(decoded: DecodedFrame, description: PixelDescription, target_transfer_syntax_uid: str) -> bytes:
    """The frame in the target syntax, one of `framecache.codecs.targets`.

    With loss, of high quality, in JPEG Baseline and Extended alone. `description` is the stored frame's. Raises
    Unwritable for pixels that the target has no room for, Undecodable.
    """
    encoder = _ENCODERS.get(target_transfer_syntax_uid)
    if encoder is None:
        raise Unwritable(f"transfer syntax {target_transfer_syntax_uid} cannot be written")
    if target_transfer_syntax_uid not in targets.NATIVE_TARGETS and description.bits_allocated not in _COMPRESSIBLE:
        raise Unwritable(f"pixels of {description.bits_allocated} bits cannot be compressed")
    try:
        return encoder(decoded, description)
    except (RuntimeError, ValueError) as error:
        raise Unwritable(f"the pixels cannot be compressed: {type(error).__name__}") from error
    except MemoryError:
        raise Undecodable("the frame needs more memory than a helper process may have") from None


def _native(decoded: DecodedFrame, description: PixelDescription) -> bytes:
    """PlanarConfiguration decides where Orthanc's decoder keeps it; JPEG and JPEG 2000 always come by pixel."""
    pixels = decoded.pixels
    if description.samples_per_pixel > 1 and description.planar_configuration == 1 and _keeps_planes(description):
        pixels = np.moveaxis(pixels, 2, 0)
    if description.bits_allocated == 1:
        return np.packbits(pixels.view(np.uint8), bitorder="little").tobytes()
    return pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()


def _keeps_planes(description: PixelDescription) -> bool:
    syntax = lookup(description.transfer_syntax_uid)
    return syntax.encoding is Encoding.NATIVE or syntax.media_type in ("image/dicom-rle", "image/jls")


def _by_pixels(encoder: Callable[[DecodedFrame], bytes]) -> Encoder:
    return lambda decoded, _: encoder(decoded)


_ENCODERS: Mapping[str, Encoder] = MappingProxyType(
    {
        **dict.fromkeys(targets.NATIVE_TARGETS, _native),
        targets.RLE: _by_pixels(encode_rle),
        targets.JPEG_BASELINE: encode_jpeg_baseline,
        targets.JPEG_EXTENDED: encode_jpeg_extended,
        **dict.fromkeys((targets.JPEG_LOSSLESS, targets.JPEG_LOSSLESS_SV1), _by_pixels(encode_jpeg_lossless)),
        **dict.fromkeys((targets.JPEG_LS_LOSSLESS, targets.JPEG_LS), _by_pixels(encode_jpeg_ls)),
        **dict.fromkeys((targets.JPEG_2000_LOSSLESS, targets.JPEG_2000), _by_pixels(encode_jpeg_2000)),
        **dict.fromkeys((targets.JPEG_2000_PART_2_LOSSLESS, targets.JPEG_2000_PART_2), _by_pixels(encode_jpeg_2000)),
        **dict.fromkeys((targets.HTJ2K_LOSSLESS, targets.HTJ2K_LOSSLESS_RPCL, targets.HTJ2K), _by_pixels(encode_htj2k)),
    }
)
