"""Pixels that are not compressed (PS3.5 section 8.1 and annexes A.1 to A.3), Little Endian as all frames are read."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from pydicom import DataElement, Dataset

from framecache.codecs.process.errors import Undecodable
from framecache.codecs.process.pixels import DecodedFrame, PixelDescription, Pixels
from framecache.dicom.native_frames import SHARED_CHROMINANCE, shares_chrominance, stored_samples

_WORDS: Mapping[str, int] = MappingProxyType({"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8})


def with_swapped_words(data_set: Dataset) -> Dataset:
    """A copy of `data_set` in which the bytes of each such word are the other way around, within sequences too."""
    swapped = copy.deepcopy(data_set)
    swapped.walk(_swap)
    return swapped


def _swap(_: Dataset, element: DataElement) -> None:
    size = _WORDS.get(element.VR)
    if size and isinstance(element.value, bytes):
        whole = len(element.value) // size * size
        words = np.frombuffer(element.value[:whole], f"u{size}").byteswap().tobytes()
        element.value = words + element.value[whole:]


_BYTE = 8  # bits


def explicit(frame: bytes, description: PixelDescription) -> bytes:
    """The frame as Explicit VR Little Endian has it, which is how native frames are read. Raises Undecodable."""
    _samples(frame, description)
    return frame


def decode(frame: bytes, description: PixelDescription) -> DecodedFrame:
    """The pixels of a frame that is not compressed. Raises Undecodable."""
    samples = _samples(frame, description)
    photometric = description.photometric_interpretation
    if shares_chrominance(photometric, samples):
        return DecodedFrame(_upsampled(frame, description), photometric.removesuffix("_422"))
    return DecodedFrame(_pixels(frame, replace(description, samples_per_pixel=samples)), _of_each_pixel(photometric))


def _of_each_pixel(photometric: str) -> str:
    """What three samples of each pixel are, also under the name of shared chrominance."""
    return photometric.removesuffix("_422") if photometric in SHARED_CHROMINANCE else photometric


def _pixels(stored: bytes, description: PixelDescription) -> Pixels:
    if description.bits_allocated == 1:
        # PS3.5 section 8.1.1: the first pixel is in the least significant bit.
        count = description.rows * description.columns * description.samples_per_pixel
        bits = np.unpackbits(np.frombuffer(stored, np.uint8), bitorder="little", count=count)
        return bits.reshape(description.shape).view(description.dtype)
    samples = np.frombuffer(stored, description.dtype.newbyteorder("<"))
    if description.planar_configuration == 1 and description.samples_per_pixel > 1:
        planes = samples.reshape(description.samples_per_pixel, description.rows, description.columns)
        return np.ascontiguousarray(np.moveaxis(planes, 0, 2))
    return samples.reshape(description.shape)


def _samples(frame: bytes, description: PixelDescription) -> int:
    """How many samples a pixel of this frame has, by its length: of single bits, zeros fill the last byte."""
    bits = description.rows * description.columns * description.bits_allocated
    for samples in stored_samples(description.photometric_interpretation, description.samples_per_pixel):
        if -(-bits * samples // _BYTE) == len(frame):
            return samples
    raise Undecodable("the frame does not have the length that its header says")


def _upsampled(stored: bytes, description: PixelDescription) -> Pixels:
    """Two pixels that share their chrominance become two of three samples each (PS3.3 section C.7.6.3.1.2)."""
    if description.columns % 2 or (description.samples_per_pixel, description.bits_allocated) != (3, 8):
        raise Undecodable("chrominance is shared by two pixels, but Columns is odd or a sample is not of 8 bits")
    pairs = np.frombuffer(stored, np.uint8).reshape(description.rows, description.columns // 2, 4)
    pixels = np.empty(description.shape, np.uint8)
    pixels[:, 0::2, 0], pixels[:, 1::2, 0] = pairs[..., 0], pairs[..., 1]
    pixels[..., 1:] = pairs[..., 2:].repeat(2, axis=1)
    return pixels
