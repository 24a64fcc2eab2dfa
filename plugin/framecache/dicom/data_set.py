"""The top level of a stored data set up to its pixel data (PS3.5 section 7, PS3.10 section 7).

Only what is needed to find frames: where each element's value lies. Sequences are stepped over, by
their length where they have one and item by item where they have none.
"""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from framecache.dicom.byte_reader import ByteReader
from framecache.errors import NestedTooDeeply, NoPixelData, UnreadableHeader

UNDEFINED_LENGTH = 0xFFFFFFFF
PIXEL_DATA = 0x7FE00010
EXTENDED_OFFSET_TABLE = 0x7FE00001
_PIXEL_DATA_TAGS = frozenset({0x7FE00008, 0x7FE00009, PIXEL_DATA})
_ITEM_GROUP = 0xFFFE
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PREAMBLE = 128 + 4
_FILE_META_GROUP, _TRANSFER_SYNTAX_UID = 0x0002, 0x00020010
_IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
_EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"
# PS3.5 section 7.1.2: these have two reserved bytes and a length of four.
_LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
# Bytes before a value: pixel data has a long VR (PS3.5 section A.2); Implicit VR elements have none.
_LONG_FORM, _SHORT_FORM = 12, 8
_FIRST_READ, _LARGEST_HEADER = 1 << 18, 1 << 28
_DEEPEST_NESTING = 64
_INTEGER_STRING = re.compile(rb"[+-]?[0-9]{1,12}")  # PS3.5 section 6.2


class _Incomplete(UnreadableHeader):
    """The elements go on past the bytes that were read: more of them are needed, and where there are none, it is so."""


@dataclass(frozen=True, slots=True)
class Element:
    """One data element: where its value begins in the file, and how long it is (or UNDEFINED_LENGTH)."""

    tag: int
    vr: bytes
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Header:
    """The data set's elements before the pixel data, with their bytes, and the pixel data element itself."""

    elements: Mapping[int, Element]
    pixel_data: Element
    content: bytes
    big_endian: bool

    @property
    def length(self) -> int:
        """Where the pixel data element begins, in bytes; where its value begins for Big Endian and for floats.

        There its VR tells how the value's bytes are to be swapped (PS3.5 section 7.3), or its tag what they are.
        """
        if self.big_endian or self.pixel_data.tag != PIXEL_DATA:
            return self.pixel_data.offset
        return self.pixel_data.offset - (_LONG_FORM if self.pixel_data.vr else _SHORT_FORM)

    def value(self, tag: int) -> bytes | None:
        """The raw value of `tag`, or None where it is absent."""
        element = self.elements.get(tag)
        if element is None or element.length == UNDEFINED_LENGTH:
            return None
        return self.content[element.offset : element.offset + element.length]

    def unsigned_short(self, tag: int, default: int | None = None) -> int:
        """The value of a US element. Raises UnreadableHeader where it is absent and has no default."""
        value = self.value(tag)
        if value:
            return int.from_bytes(value[:2], "big" if self.big_endian else "little")
        if default is None:
            raise UnreadableHeader(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is missing")
        return default

    def integer_string(self, tag: int, default: int) -> int:
        """The value of an IS element, `default` where it is absent or empty."""
        text = (self.value(tag) or b"").rstrip(b" \0").strip()
        if not text:
            return default
        if not _INTEGER_STRING.fullmatch(text):
            raise UnreadableHeader(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is not a number")
        return int(text)


def read_header(reader: ByteReader, transfer_syntax_uid: str, pixel_data_offset: int | None = None) -> Header:
    """Read the elements up to the pixel data.

    `pixel_data_offset` is where Orthanc says that the pixel data element begins: it saves a second read.
    Raises UnreadableHeader where there is no pixel data. A deflated data set has to be inflated first.
    """
    length = min(pixel_data_offset + _LONG_FORM if pixel_data_offset else _FIRST_READ, _LARGEST_HEADER)
    while True:
        content = reader.read_at(0, length)
        try:
            return _parse(content, transfer_syntax_uid)
        except _Incomplete:
            if len(content) < length or length >= _LARGEST_HEADER:
                raise NoPixelData from None
        length = min(max(length, _FIRST_READ) * 4, _LARGEST_HEADER)


def _parse(content: bytes, transfer_syntax_uid: str) -> Header:
    big_endian = transfer_syntax_uid == _EXPLICIT_BIG_ENDIAN
    walker = _Walker(content, explicit=transfer_syntax_uid != _IMPLICIT_LITTLE_ENDIAN, order=">" if big_endian else "<")
    elements: dict[int, Element] = {}
    for element in walker.top_level(end_of_file_meta(content)):
        if element.tag in _PIXEL_DATA_TAGS:
            return Header(elements, element, content, big_endian)
        elements[element.tag] = element
    raise _Incomplete("the instance has no pixel data")


def read_transfer_syntax_uid(reader: ByteReader) -> str:
    """(0002,0010) of a stored file, for syntaxes that Orthanc does not know. Raises UnreadableHeader."""
    content = reader.read_at(0, _FIRST_READ)
    for element in _file_meta(content):
        if element.tag == _TRANSFER_SYNTAX_UID:
            return content[element.offset : element.offset + element.length].rstrip(b" \0").decode("ascii", "replace")
    raise UnreadableHeader("the stored file has no transfer syntax")


def end_of_file_meta(content: bytes) -> int:
    """Where the data set begins. Raises UnreadableHeader."""
    end = _PREAMBLE
    for element in _file_meta(content):
        end = element.offset + element.length
    return end


def _file_meta(content: bytes) -> Iterator[Element]:
    """The File Meta Information, which is always in Explicit VR Little Endian (PS3.10 section 7.1)."""
    if content[_PREAMBLE - 4 : _PREAMBLE] != b"DICM":
        raise UnreadableHeader("the stored file is not in DICOM File Format")
    elements = _Walker(content, explicit=True, order="<").top_level(_PREAMBLE)
    return itertools.takewhile(lambda element: element.tag >> 16 == _FILE_META_GROUP, elements)


class _Walker:
    """Steps over elements; recursion is bounded because HTTP threads have 100 kB of stack."""

    def __init__(self, content: bytes, *, explicit: bool, order: str) -> None:
        self._content = content
        self._explicit = explicit
        self._tag = struct.Struct(order + "HH")
        self._short = struct.Struct(order + "H")
        self._long = struct.Struct(order + "L")

    def top_level(self, position: int) -> Iterator[Element]:
        """The elements from `position` on, until the bytes end in between two of them."""
        while position < len(self._content):
            element = self.element(position)
            yield element
            position = self._end(element)

    def element(self, position: int) -> Element:
        """The element at `position`."""
        try:
            group, number = self._tag.unpack_from(self._content, position)
            tag = group << 16 | number
            if not self._explicit or group == _ITEM_GROUP:
                (length,) = self._long.unpack_from(self._content, position + 4)
                return Element(tag, b"", position + 8, length)
            vr = self._content[position + 4 : position + 6]
            if vr in _LONG_VRS:
                (length,) = self._long.unpack_from(self._content, position + 8)
                return Element(tag, vr, position + 12, length)
            (length,) = self._short.unpack_from(self._content, position + 6)
            return Element(tag, vr, position + 8, length)
        except struct.error:
            raise _Incomplete("the stored file ends inside its header") from None

    def _end(self, element: Element) -> int:
        """The position behind `element`, through every level of items of undefined length below it."""
        if element.length != UNDEFINED_LENGTH:
            return element.offset + element.length
        open_ends = [(_SEQUENCE_END, self.inside(element))]
        position = element.offset
        while open_ends:
            end, walker = open_ends[-1]
            found = walker.element(position)
            position = found.offset
            if found.tag in (_ITEM_END, _SEQUENCE_END):
                if found.tag != end:
                    raise UnreadableHeader("a sequence is not closed where it should be")
                open_ends.pop()
            elif found.length == UNDEFINED_LENGTH:
                open_ends.append((_ITEM_END if found.tag == _ITEM else _SEQUENCE_END, walker.inside(found)))
                if len(open_ends) > _DEEPEST_NESTING:
                    raise NestedTooDeeply
            else:
                # An item of known length is stepped over as a whole, like any value.
                position += found.length
        return position

    def inside(self, element: Element) -> _Walker:
        """What reads the items of `element`: UN of undefined length is in Implicit VR Little Endian (PS3.5 6.2.2)."""
        return _Walker(self._content, explicit=False, order="<") if element.vr == b"UN" else self
