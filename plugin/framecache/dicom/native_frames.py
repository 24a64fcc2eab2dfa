"""Uncompressed frames of equal length, one after the other (PS3.5 section 8.1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from framecache.dicom.big_endian import BigEndianWords, word_size_of
from framecache.dicom.byte_reader import ByteReader
from framecache.dicom.data_set import Header
from framecache.dicom.frame_table import Extent, Extents, FramePlace, PackedBits
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


_SAMPLES_PER_PIXEL, _PHOTOMETRIC = 0x00280002, 0x00280004
_ROWS, _COLUMNS, _BITS_ALLOCATED = 0x00280010, 0x00280011, 0x00280100


@dataclass(frozen=True, slots=True)
class NativeFrames:
    """Frames of `frame_bits` bits, of which the first begins at byte `first` of the file.

    Words of `word_size` bytes, if more than one, are turned round as they are read.
    """

    header_length: int
    number_of_frames: int
    frames_present: int
    first: int
    frame_bits: int
    word_size: int = 1

    def place(self, frame_index: int, reader: ByteReader) -> FramePlace:  # noqa: ARG002 - nothing has to be read
        if frame_index >= self.frames_present:
            raise BrokenPixelData(f"the pixel data ends within frame {self.frames_present + 1}")
        offset, first_bit = divmod(frame_index * self.frame_bits, 8)
        place: FramePlace = Extents((Extent(self.first + offset, self.frame_bits // 8),))
        if self.frame_bits % 8:
            place = PackedBits(self.first + offset, first_bit, self.frame_bits)
        return place if self.word_size == 1 else BigEndianWords(place, self.first, self.word_size)


def locate_native(header: Header, number_of_frames: int, file_size: int) -> NativeFrames:
    """Where a frame begins is certain by the header and the length of the pixel data.

    It may be that the file ends before the last one. Raises BrokenPixelData where not even the first frame is there,
    and where the pixel data has another length than its header says.
    """
    pixel_data = header.pixel_data
    bits = bits_per_frame(_readings(header), number_of_frames, pixel_data.length)
    word_size = word_size_of(pixel_data.vr) if header.big_endian else 1
    available = min(pixel_data.length, file_size - pixel_data.offset)
    present = min(number_of_frames, 8 * (available - available % word_size) // bits)
    if present < 1:
        raise BrokenPixelData("the pixel data ends within its first frame")
    return NativeFrames(header.length, number_of_frames, present, pixel_data.offset, bits, word_size)


def _readings(header: Header) -> tuple[int, ...]:
    """Bits of a frame, by each way in which the header may be read."""
    bits_allocated = header.unsigned_short(_BITS_ALLOCATED)
    if bits_allocated != 1 and (bits_allocated % 8 or not bits_allocated):
        raise BrokenPixelData("BitsAllocated is neither 1 nor a multiple of 8")  # PS3.5 section 8.1.1
    pixels = header.unsigned_short(_ROWS) * header.unsigned_short(_COLUMNS)
    samples_per_pixel = header.unsigned_short(_SAMPLES_PER_PIXEL, 1)
    if not pixels * samples_per_pixel:
        raise BrokenPixelData("Rows, Columns or SamplesPerPixel is zero")
    photometric = (header.value(_PHOTOMETRIC) or b"").decode("ascii", "replace")
    return tuple(pixels * bits_allocated * samples for samples in stored_samples(photometric, samples_per_pixel))
