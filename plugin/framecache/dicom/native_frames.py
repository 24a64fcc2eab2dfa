"""Frames that are not compressed: of one length, one behind the other (PS3.5 section 8.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

from framecache.dicom.big_endian import BigEndianWords, word_size_of
from framecache.dicom.byte_reader import ByteReader
from framecache.dicom.data_set import Header
from framecache.dicom.frame_table import Extent, Extents, FramePlace, PackedBits
from framecache.dicom.native_layout import bits_per_frame, stored_samples
from framecache.errors import BrokenPixelData

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
