"""Frames that are not compressed: of one length, one behind the other (PS3.5 section 8.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

from framecache.dicom.byte_reader import ByteReader
from framecache.dicom.data_set import Header
from framecache.dicom.frame_table import Extent, Extents, FramePlace, PackedBits
from framecache.errors import BrokenPixelData, HandOver

_SAMPLES_PER_PIXEL, _PHOTOMETRIC = 0x00280002, 0x00280004
_ROWS, _COLUMNS, _BITS_ALLOCATED = 0x00280010, 0x00280011, 0x00280100


@dataclass(frozen=True, slots=True)
class NativeFrames:
    """Frames of `frame_bits` bits, of which the first begins at byte `first` of the file."""

    header_length: int
    number_of_frames: int
    frames_present: int
    first: int
    frame_bits: int

    def place(self, frame_index: int, reader: ByteReader) -> FramePlace:  # noqa: ARG002 - nothing has to be read
        if frame_index >= self.frames_present:
            raise BrokenPixelData(f"the pixel data ends within frame {self.frames_present + 1}")
        offset, first_bit = divmod(frame_index * self.frame_bits, 8)
        if self.frame_bits % 8:
            return PackedBits(self.first + offset, first_bit, self.frame_bits)
        return Extents((Extent(self.first + offset, self.frame_bits // 8),))


def locate_native(header: Header, number_of_frames: int, file_size: int) -> NativeFrames:
    """Where a frame begins is certain by the header, whether or not the pixel data goes on until the last one.

    Raises BrokenPixelData where not even the first frame is there, HandOver.
    """
    bits = _bits_per_frame(header)
    if bits % 8 and header.big_endian and header.pixel_data.vr == b"OW":
        raise HandOver("frames of single bits in words of Big Endian are not cut")
    # The value may have a pad byte: its length divided by the number of frames would not be a frame's.
    pixel_data = header.pixel_data
    available = 8 * min(pixel_data.length, file_size - pixel_data.offset)
    present = min(number_of_frames, available // bits) if bits else 0
    if present < 1:
        raise BrokenPixelData("the pixel data ends within its first frame" if bits else "Rows or Columns is zero")
    return NativeFrames(header.length, number_of_frames, present, pixel_data.offset, bits)


def _bits_per_frame(header: Header) -> int:
    pixels = header.unsigned_short(_ROWS) * header.unsigned_short(_COLUMNS)
    bits_allocated = header.unsigned_short(_BITS_ALLOCATED)
    photometric = (header.value(_PHOTOMETRIC) or b"").strip(b" \0")
    if photometric in (b"YBR_FULL_422", b"YBR_PARTIAL_422"):
        return pixels * 2 * bits_allocated  # PS3.3 C.7.6.3.1.2: two pixels share their chrominance
    return pixels * header.unsigned_short(_SAMPLES_PER_PIXEL, 1) * bits_allocated
