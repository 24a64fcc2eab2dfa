"""The position of each frame in a stored instance, native or encapsulated (PS3.5 section 8 and annex A.4)."""

from __future__ import annotations

from framecache.dicom import data_set
from framecache.dicom.byte_reader import ByteReader
from framecache.dicom.data_set import PIXEL_DATA
from framecache.dicom.element_walker import UNDEFINED_LENGTH
from framecache.dicom.encapsulated_frames import locate_encapsulated
from framecache.dicom.frame_table import FrameTable
from framecache.dicom.native_frames import locate_native
from framecache.dicom.transfer_syntax import Encoding, lookup
from framecache.errors import BrokenPixelData

_NUMBER_OF_FRAMES = 0x00280008


def locate_frames(reader: ByteReader, transfer_syntax_uid: str, pixel_data_offset: int | None) -> FrameTable:
    """Find the frames of a stored instance; the table keeps no hold of `reader`.

    Raises BrokenPixelData where the pixel data contradicts the header, UnreadableHeader, and HandOver for what is not
    ours to cut.
    """
    header = data_set.read_header(reader, transfer_syntax_uid, pixel_data_offset)
    return locate_frames_below(header, reader, transfer_syntax_uid)


def locate_frames_below(header: data_set.Header, reader: ByteReader, transfer_syntax_uid: str) -> FrameTable:
    """As `locate_frames`, where the header is read already."""
    number_of_frames = header.integer_string(_NUMBER_OF_FRAMES, 1)
    if number_of_frames < 1:
        raise BrokenPixelData("NumberOfFrames is not positive")
    is_native = header.pixel_data.length != UNDEFINED_LENGTH
    if lookup(transfer_syntax_uid).encoding is (Encoding.ENCAPSULATED if is_native else Encoding.NATIVE):
        # PS3.5 section A.4: else pixels would be sent as a codestream, or a codestream as pixels.
        raise BrokenPixelData("the pixel data is not encoded as its transfer syntax says")
    if is_native:
        return locate_native(header, number_of_frames, reader.size)
    if header.pixel_data.tag != PIXEL_DATA:
        raise BrokenPixelData("float pixel data cannot be encapsulated")
    return locate_encapsulated(reader, header, transfer_syntax_uid, number_of_frames)
