"""One frame of pixels in each transfer syntax the samples come in (imagecodecs, pydicom)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import imagecodecs
import numpy as np
import numpy.typing as npt
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

Frame = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Encoding:
    """A transfer syntax and how a frame is written in it; `lossy` ones take 8 bits a sample only."""

    transfer_syntax_uid: UID
    encode: Callable[[Frame], bytes]
    lossy: bool = False


def is_colour(frame: Frame) -> bool:
    return frame.shape[2:] == (3,)


def native(frame: Frame) -> bytes:
    return frame.tobytes()


def jpeg_2000(frame: Frame) -> bytes:
    bits = 12 if frame.dtype == np.uint16 else 8
    return bytes(imagecodecs.jpeg2k_encode(frame, level=0, codecformat="J2K", reversible=True, bitspersample=bits))


def high_throughput_jpeg_2000(frame: Frame) -> bytes:
    return bytes(imagecodecs.htj2k_encode(frame, reversible=True))


def jpeg_ls(frame: Frame) -> bytes:
    return bytes(imagecodecs.jpegls_encode(frame, level=0))


def jpeg(frame: Frame) -> bytes:
    """JPEG Baseline; colour becomes YBR_FULL_422."""
    if is_colour(frame):
        return bytes(imagecodecs.jpeg8_encode(frame, level=90, subsampling="422"))
    return bytes(imagecodecs.jpeg8_encode(frame, level=90))


def rle(frame: Frame) -> bytes:
    """RLE Lossless by pydicom, as imagecodecs only decodes it."""
    colour = is_colour(frame)
    return get_encoder(RLELossless).encode(
        frame,
        rows=frame.shape[0],
        columns=frame.shape[1],
        samples_per_pixel=3 if colour else 1,
        photometric_interpretation="RGB" if colour else "MONOCHROME2",
        planar_configuration=0,
        bits_allocated=8 * frame.itemsize,
        bits_stored=8 * frame.itemsize,
        pixel_representation=0,
        number_of_frames=1,
        encoding_plugin="pydicom",
    )


ENCODINGS = {
    "explicit": Encoding(ExplicitVRLittleEndian, native),
    "implicit": Encoding(ImplicitVRLittleEndian, native),
    "jpeg": Encoding(JPEGBaseline8Bit, jpeg, lossy=True),
    "jpeg-ls": Encoding(JPEGLSLossless, jpeg_ls),
    "jpeg-2000": Encoding(JPEG2000Lossless, jpeg_2000),
    "htj2k": Encoding(HTJ2KLossless, high_throughput_jpeg_2000),
    "rle": Encoding(RLELossless, rle),
}
