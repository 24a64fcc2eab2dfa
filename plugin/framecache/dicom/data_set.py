"""The top level of a stored data set up to its pixel data (PS3.5 section 7, PS3.10 section 7).

Only what is needed to find frames: the position of each element's value. Sequences are skipped, by
their length where they have one and item by item where they have none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from framecache.dicom.byte_reader import ByteReader
from framecache.dicom.element_walker import KNOWN_VRS, UNDEFINED_LENGTH, Element, ElementWalker, Incomplete
from framecache.dicom.transfer_syntax import EXPLICIT_VR_BIG_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from framecache.errors import BrokenPixelData, NoPixelData, UnreadableHeader

PIXEL_DATA = 0x7FE00010
EXTENDED_OFFSET_TABLE = 0x7FE00001
FLOAT_PIXEL_DATA = frozenset({0x7FE00008, 0x7FE00009})
_PIXEL_DATA_TAGS = FLOAT_PIXEL_DATA | {PIXEL_DATA}
_PREAMBLE = 128 + 4
_FILE_META_GROUP, _GROUP_LENGTH, _TRANSFER_SYNTAX_UID = 0x0002, 0x00020000, 0x00020010
_MEDIA_STORAGE_SOP_INSTANCE_UID = 0x00020003
_ELEMENT_HEAD = 12  # bytes before the value of pixel data (PS3.5 section 7.1.2)
_FIRST_READ, _LARGEST_HEADER = 1 << 18, 1 << 28
_INTEGER_STRING = re.compile(rb"[+-]?[0-9]{1,12}")  # PS3.5 section 6.2


@dataclass(frozen=True, slots=True)
class Header:
    """The data set's elements before the pixel data, with their bytes, and the pixel data element itself."""

    elements: Mapping[int, Element]
    pixel_data: Element
    content: bytes
    big_endian: bool

    @property
    def length(self) -> int:
        """The byte offset of the pixel data element; for float pixel data, that of its value."""
        if self.pixel_data.tag in FLOAT_PIXEL_DATA:
            return self.pixel_data.offset
        return self.pixel_data.start

    def value(self, tag: int) -> bytes | None:
        """The raw value of `tag`, or None if it is absent."""
        element = self.elements.get(tag)
        if element is None or element.length == UNDEFINED_LENGTH:
            return None
        return self.content[element.offset : element.offset + element.length]

    def unsigned_short(self, tag: int, default: int | None = None) -> int:
        """The value of a US element. Raises UnreadableHeader if it is absent and has no default."""
        value = self.value(tag)
        if value:
            return int.from_bytes(value[:2], "big" if self.big_endian else "little")
        if default is None:
            raise UnreadableHeader(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is missing")
        return default

    def integer_string(self, tag: int, default: int) -> int:
        """The value of an IS element; `default` if it is absent or empty.

        Raises BrokenPixelData for text that is not a number: the stock plugin refuses it, too, so we do not hand over.
        """
        text = (self.value(tag) or b"").rstrip(b" \0").strip()
        if not text:
            return default
        if not _INTEGER_STRING.fullmatch(text):
            raise BrokenPixelData(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is not a number")
        return int(text)


def read_header(reader: ByteReader, transfer_syntax_uid: str, pixel_data_offset: int | None = None) -> Header:
    """Read the elements up to the pixel data.

    `pixel_data_offset` is the position of the pixel data element according to Orthanc; it saves a second read.
    Raises NoPixelData, UnreadableHeader. A deflated data set has to be inflated first.
    """
    length = min(pixel_data_offset + _ELEMENT_HEAD if pixel_data_offset else _FIRST_READ, _LARGEST_HEADER)
    while True:
        content = reader.read_at(0, length)
        try:
            return _parse(content, transfer_syntax_uid)
        except Incomplete as error:
            if length >= _LARGEST_HEADER or max(len(content), error.position) >= reader.size:
                raise NoPixelData from None
        length = min(max(length, _FIRST_READ) * 4, _LARGEST_HEADER)


def _parse(content: bytes, transfer_syntax_uid: str) -> Header:
    start = start_of_data_set(content)
    walker = walker_of(content, start, transfer_syntax_uid)
    elements: dict[int, Element] = {}
    for element in walker.top_level(start):
        if element.tag in _PIXEL_DATA_TAGS:
            return Header(elements, element, content, transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN)
        elements[element.tag] = element
    raise Incomplete(walker.position)


def start_of_data_set(content: bytes) -> int:
    """The position after the File Meta Information, and after elements of it that some writers repeat in the data set.

    That may be in another encoding than the data set. Raises UnreadableHeader.
    """
    start = end_of_file_meta(content)
    while content[start : start + 2] == _FILE_META_GROUP.to_bytes(2, "little"):
        element = ElementWalker(content, explicit=content[start + 4 : start + 6] in KNOWN_VRS, order="<").element(start)
        start = element.offset + element.length
    return start


def walker_of(content: bytes, start: int, transfer_syntax_uid: str) -> ElementWalker:
    """The walker for the data set that begins at `start`.

    Some writers take Implicit VR where the transfer syntax has explicit ones, or the other way round: the VR of the
    first element, or what stands in its place, tells.
    """
    is_said = transfer_syntax_uid != IMPLICIT_VR_LITTLE_ENDIAN
    vr = content[start + 4 : start + 6]
    is_explicit = vr in KNOWN_VRS if not (is_said and vr.isalpha() and vr.isupper()) else True
    order = ">" if transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN else "<"
    return ElementWalker(content, explicit=is_explicit, order=order)


def read_transfer_syntax_uid(reader: ByteReader) -> str:
    """(0002,0010) of a stored file, for syntaxes that Orthanc does not know. Raises UnreadableHeader."""
    syntax = _uid_of_file_meta(reader, _TRANSFER_SYNTAX_UID)
    if syntax is None:
        raise UnreadableHeader("the stored file has no transfer syntax")
    return syntax


def read_media_storage_sop_instance_uid(reader: ByteReader) -> str | None:
    """(0002,0003) of a stored file: the UID of its instance, if the file says it. Raises UnreadableHeader."""
    return _uid_of_file_meta(reader, _MEDIA_STORAGE_SOP_INSTANCE_UID)


def _uid_of_file_meta(reader: ByteReader, tag: int) -> str | None:
    content = reader.read_at(0, _FIRST_READ)
    for element in _file_meta(content):
        if element.tag == tag:
            return content[element.offset : element.offset + element.length].rstrip(b" \0").decode("ascii", "replace")
    return None


def end_of_file_meta(content: bytes) -> int:
    """The position of the data set. Raises UnreadableHeader."""
    end = _PREAMBLE
    for element in _file_meta(content):
        end = element.offset + element.length
    return end


def _file_meta(content: bytes) -> Iterator[Element]:
    """The File Meta Information, which is always in Explicit VR Little Endian (PS3.10 section 7.1).

    Its group length, or a tag that does not follow the one before, ends it: some writers have group 0002 again in the
    data set, where it says nothing.
    """
    if content[_PREAMBLE - 4 : _PREAMBLE] != b"DICM":
        raise UnreadableHeader("the stored file is not in DICOM File Format")
    last, end = -1, 0
    for element in ElementWalker(content, explicit=True, order="<").top_level(_PREAMBLE):
        position = element.offset + element.length
        if element.tag >> 16 != _FILE_META_GROUP or element.tag <= last:
            return
        if element.tag == _GROUP_LENGTH:
            end = position + int.from_bytes(content[element.offset : position], "little")
        yield element
        if position == end:
            return
        last = element.tag
