"""The elements after the pixel data in a stored file: private groups, digital signatures, padding."""

from __future__ import annotations

from framecache.dicom.byte_reader import ByteReader
from framecache.dicom.data_set import Header
from framecache.dicom.element_walker import UNDEFINED_LENGTH
from framecache.dicom.fragments import item_at, read_fragments
from framecache.dicom.frame_table import Extent

_DELIMITER = 8  # bytes: its tag and its length


def trailing_elements(reader: ByteReader, header: Header) -> Extent:
    """Where they lie; of no length where the pixel data ends without its delimiter, or the file within it."""
    end = min(_end_of_pixel_data(reader, header), reader.size)
    return Extent(end, reader.size - end)


def _end_of_pixel_data(reader: ByteReader, header: Header) -> int:
    element = header.pixel_data
    if element.length != UNDEFINED_LENGTH:
        return element.offset + element.length
    table = item_at(reader, element.offset)
    if table is None:
        return reader.size
    fragments = read_fragments(reader, table.offset + table.length)
    return fragments.end + _DELIMITER if fragments.are_delimited else reader.size
