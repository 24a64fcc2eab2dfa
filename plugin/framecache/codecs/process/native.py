"""Pixels that are not compressed (PS3.5 section 8.1 and annexes A.1 to A.3)."""

from __future__ import annotations

import numpy as np

from framecache.codecs.process.errors import Undecodable
from framecache.codecs.process.pixels import DecodedFrame, PixelDescription, Pixels
from framecache.dicom.transfer_syntax import EXPLICIT_VR_BIG_ENDIAN

_SUBSAMPLED = ("YBR_FULL_422", "YBR_PARTIAL_422")


def to_little_endian(frame: bytes, description: PixelDescription) -> bytes:
    """The frame as Explicit VR Little Endian has it: the same bytes, but for Big Endian. Raises Undecodable."""
    if len(frame) != _native_size(description):
        raise Undecodable("the frame does not have the length that its header says")
    if description.transfer_syntax_uid != EXPLICIT_VR_BIG_ENDIAN or description.word_size == 1:
        return frame
    if len(frame) % description.word_size:
        raise Undecodable("the frame does not end with a word")
    return np.frombuffer(frame, f">u{description.word_size}").astype(f"<u{description.word_size}").tobytes()


def decode(frame: bytes, description: PixelDescription) -> DecodedFrame:
    """The pixels of a frame that is not compressed. Raises Undecodable."""
    stored = to_little_endian(frame, description)
    photometric = description.photometric_interpretation
    if photometric in _SUBSAMPLED:
        return DecodedFrame(_upsampled(stored, description), photometric.removesuffix("_422"))
    if description.bits_allocated == 1:
        # PS3.5 section 8.1.1: the first pixel is in the least significant bit.
        count = description.rows * description.columns * description.samples_per_pixel
        bits = np.unpackbits(np.frombuffer(stored, np.uint8), bitorder="little", count=count)
        return DecodedFrame(bits.reshape(description.shape).view(description.dtype), photometric)
    samples = np.frombuffer(stored, description.dtype.newbyteorder("<"))
    if description.planar_configuration == 1 and description.samples_per_pixel > 1:
        planes = samples.reshape(description.samples_per_pixel, description.rows, description.columns)
        return DecodedFrame(np.ascontiguousarray(np.moveaxis(planes, 0, 2)), photometric)
    return DecodedFrame(samples.reshape(description.shape), photometric)


def _native_size(description: PixelDescription) -> int:
    """Bytes of a frame; of single bits, zeros fill the last one."""
    pixels = description.rows * description.columns
    if description.photometric_interpretation in _SUBSAMPLED:
        return pixels * 2 * description.bits_allocated // 8
    return -(-pixels * description.samples_per_pixel * description.bits_allocated // 8)


def _upsampled(stored: bytes, description: PixelDescription) -> Pixels:
    """Two pixels that share their chrominance become two of three samples each (PS3.3 section C.7.6.3.1.2)."""
    if description.columns % 2 or (description.samples_per_pixel, description.bits_allocated) != (3, 8):
        raise Undecodable("chrominance is shared by two pixels, but Columns is odd or a sample is not of 8 bits")
    pairs = np.frombuffer(stored, np.uint8).reshape(description.rows, description.columns // 2, 4)
    pixels = np.empty(description.shape, np.uint8)
    pixels[:, 0::2, 0], pixels[:, 1::2, 0] = pairs[..., 0], pairs[..., 1]
    pixels[..., 1:] = pairs[..., 2:].repeat(2, axis=1)
    return pixels
