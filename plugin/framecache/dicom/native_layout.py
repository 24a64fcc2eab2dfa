"""How long a native frame is, by its header and by the length of the pixel data together (PS3.5 section 8.1.1).

Headers are wrong about this: three bytes a pixel lie under a Photometric Interpretation of two, NumberOfFrames is of
another instance. What decides is the length that the pixel data has; nothing that it leaves open is guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from framecache.errors import BrokenPixelData

_BYTE = 8  # bits
SHARED_CHROMINANCE = ("YBR_FULL_422", "YBR_PARTIAL_422")
# PS3.3 section C.7.6.3.1.2
_SAMPLES = MappingProxyType(
    dict.fromkeys(("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"), 1)
    | dict.fromkeys(("RGB", "HSV", "YBR_FULL", "YBR_RCT", "YBR_ICT"), 3)
    | dict.fromkeys(("ARGB", "CMYK"), 4)
)


def stored_samples(photometric_interpretation: str, samples_per_pixel: int) -> tuple[int, ...]:
    """How many samples a pixel may have in native pixel data: what the header says, then what it may mean.

    Two, where two pixels share their chrominance (PS3.3 section C.7.6.3.1.2): under that name pixels of three samples
    are met as often. Where SamplesPerPixel and Photometric Interpretation contradict each other, either may be true.
    """
    name = photometric_interpretation.strip(" \0").upper()
    if name in SHARED_CHROMINANCE:
        return tuple(dict.fromkeys((2, 3, samples_per_pixel)))
    return tuple(dict.fromkeys((samples_per_pixel, _SAMPLES.get(name, samples_per_pixel))))


def shares_chrominance(photometric_interpretation: str, samples: int) -> bool:
    """Whether pixels of so many stored samples are pairs of which each shares its chrominance."""
    return samples == 2 and photometric_interpretation.strip(" \0").upper() in SHARED_CHROMINANCE  # noqa: PLR2004


def bits_per_frame(readings: Sequence[int], number_of_frames: int, length: int) -> int:
    """Which of `readings`, each the bits of a frame, is that of pixel data of `length` bytes.

    The one that fills it, the header's own before others, else the one that divides it into whole frames, more or fewer
    than the header says. Raises BrokenPixelData where none is certain.
    """
    filling = [bits for bits in readings if _is_filled(length, number_of_frames * bits)]
    if filling:
        return filling[0]
    dividing = [bits for bits in readings if _is_whole(length, bits)]
    certain = dividing if len(readings) > 1 else readings
    if len(certain) != 1 or _may_be_longer(certain[0], number_of_frames, length):
        raise BrokenPixelData(
            f"the pixel data has {length} bytes, which are not {number_of_frames} frames by any reading of its header"
        )
    return certain[0]


def _is_filled(length: int, bits: int) -> bool:
    """Whether so many bits fill so many bytes; the pad byte (PS3.5 section 7.1.1) may be there or missing."""
    size = -(-bits // _BYTE)
    return length in (size, size + size % 2)


def _is_whole(length: int, bits: int) -> bool:
    frames = _BYTE * length // bits
    return frames > 0 and _is_filled(length, frames * bits)


def _may_be_longer(bits: int, number_of_frames: int, length: int) -> bool:
    """Whether what is left over may be shared out among the frames, as padding of each or as more than its header says.

    Only the first frame's place is certain then. What cannot be shared out evenly is padding behind the last frame.
    """
    excess = _BYTE * length - number_of_frames * bits
    if number_of_frames == 1 or excess <= 0 or _is_whole(length, bits):
        return False
    return bits % _BYTE > 0 or excess % (_BYTE * number_of_frames) == 0
