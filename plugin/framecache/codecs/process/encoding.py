"""An array of pixels to one frame of another transfer syntax, without loss."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType

import imagecodecs
import numpy as np

from framecache.codecs.process.errors import Undecodable, Unwritable
from framecache.codecs.process.pixels import DecodedFrame, PixelDescription, Pixels
from framecache.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN, Encoding, lookup

Encoder = Callable[[DecodedFrame], bytes]
_BYTE = 8  # bits
_COMPRESSIBLE = (8, 16, 32)  # BitsAllocated
_MOST_RLE_SEGMENTS = 15
_LARGEST_JPEG_2000_SAMPLE = 2  # bytes
_RLE_HEADER = struct.Struct("<16L")
_LARGEST_BASE_RESOLUTION, _FEWEST_LEVELS = 64, 5
_START_OF_JPEG_LS_FRAME = b"\xff\xf7"


def encode(decoded: DecodedFrame, description: PixelDescription, target_transfer_syntax_uid: str) -> bytes:
    """The frame in the target syntax: Explicit VR Little Endian, RLE, or JPEG-LS, JPEG 2000, HTJ2K without loss.

    `description` is the stored frame's. Raises Unwritable for pixels that the target has no room for, Undecodable.
    """
    if target_transfer_syntax_uid == EXPLICIT_VR_LITTLE_ENDIAN:
        return _explicit(decoded, description)
    encoder = _ENCODERS.get(target_transfer_syntax_uid)
    if encoder is None:
        raise Unwritable(f"transfer syntax {target_transfer_syntax_uid} cannot be written")
    if description.bits_allocated not in _COMPRESSIBLE:
        raise Unwritable(f"pixels of {description.bits_allocated} bits cannot be compressed")
    try:
        return encoder(decoded)
    except (RuntimeError, ValueError) as error:
        raise Unwritable(f"the pixels cannot be compressed: {type(error).__name__}") from error
    except MemoryError:
        raise Undecodable("the frame needs more memory than a helper process may have") from None


def _explicit(decoded: DecodedFrame, description: PixelDescription) -> bytes:
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


def _unsigned(pixels: Pixels) -> Pixels:
    return pixels.view(np.dtype(f"u{pixels.dtype.itemsize}"))


def _rle(decoded: DecodedFrame) -> bytes:
    """PS3.5 annex G: a segment for each byte of each sample, the most significant first, rows apart from each other."""
    pixels = _unsigned(decoded.pixels)
    rows, columns, size = *pixels.shape[:2], pixels.dtype.itemsize
    octets = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).view(np.uint8).reshape(rows, columns, -1, size)
    if octets.shape[2] * size > _MOST_RLE_SEGMENTS:
        raise Unwritable("RLE has room for 15 segments")
    segments = [
        _even(bytes(imagecodecs.packbits_encode(octets[:, :, sample, byte].copy(), axis=-1)))
        for sample in range(octets.shape[2])
        for byte in reversed(range(size))
    ]
    offsets = [_RLE_HEADER.size + sum(map(len, segments[:i])) for i in range(len(segments))]
    header = _RLE_HEADER.pack(len(segments), *offsets, *[0] * (_MOST_RLE_SEGMENTS - len(segments)))
    return b"".join([header, *segments])


def _even(segment: bytes) -> bytes:
    return segment + b"\0" * (len(segment) % 2)


def _jpeg_ls(decoded: DecodedFrame) -> bytes:
    """JPEG-LS knows no sign: the bits are kept. The SPIFF header that CharLS writes is none of DICOM's."""
    stream = bytes(imagecodecs.jpegls_encode(_unsigned(decoded.pixels), level=0))
    return b"\xff\xd8" + stream[stream.index(_START_OF_JPEG_LS_FRAME) :]


def _jpeg_2000(decoded: DecodedFrame) -> bytes:
    if decoded.pixels.dtype.itemsize > _LARGEST_JPEG_2000_SAMPLE:
        raise Unwritable("OpenJPEG loses bits of samples that have more than 16")
    stream = imagecodecs.jpeg2k_encode(
        decoded.pixels,
        level=0,
        codecformat="J2K",
        reversible=True,
        planar=False,
        mct=decoded.photometric_interpretation == "RGB",
        bitspersample=_BYTE * decoded.pixels.dtype.itemsize,
        numthreads=1,
    )
    return bytes(stream)


def _high_throughput_jpeg_2000(decoded: DecodedFrame) -> bytes:
    """As 1.2.840.10008.1.2.4.202 asks for (PS3.5 section 10.18), which is one of the choices that .201 leaves.

    Progression by resolution is OpenJPH's own; tile length markers; the smallest resolution is of 64 pixels or less.
    """
    levels = math.ceil(math.log2(max(decoded.pixels.shape[:2]) / _LARGEST_BASE_RESOLUTION))
    stream = imagecodecs.htj2k_encode(
        decoded.pixels,
        reversible=True,
        planar=False,
        rgb=decoded.photometric_interpretation == "RGB",
        resolutions=max(levels, _FEWEST_LEVELS),
        tlm=True,
    )
    return bytes(stream)


_ENCODERS: Mapping[str, Encoder] = MappingProxyType(
    {
        "1.2.840.10008.1.2.5": _rle,
        "1.2.840.10008.1.2.4.80": _jpeg_ls,
        "1.2.840.10008.1.2.4.90": _jpeg_2000,
        "1.2.840.10008.1.2.4.201": _high_throughput_jpeg_2000,
        "1.2.840.10008.1.2.4.202": _high_throughput_jpeg_2000,
    }
)
