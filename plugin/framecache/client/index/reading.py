"""What an index says of one DICOM file: read from its header, without pydicom, in one walk over the top level."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from framecache.dicom import frame_index
from framecache.dicom.byte_reader import ByteReader
from framecache.dicom.data_set import PIXEL_DATA, Header, read_transfer_syntax_uid, start_of_data_set, walker_of
from framecache.dicom.deflated import readable
from framecache.dicom.element_walker import UNDEFINED_LENGTH, Element, ElementWalker, Incomplete
from framecache.dicom.model.character_sets import LATIN_1, CharacterSet, character_set_of
from framecache.dicom.pixel_data import locate_frames_below
from framecache.dicom.transfer_syntax import EXPLICIT_VR_BIG_ENDIAN, Encoding, is_sent_as_it_lies, lookup
from framecache.dicomweb.attributes import ATTRIBUTES, NESTED, KeyAttribute
from framecache.errors import BrokenPixelData, HandOver, SourceError, UnreadableHeader
from framecache.shared_buffers import SharedBuffers

_FIRST_READ, _LARGEST_HEADER = 1 << 16, 1 << 28  # bytes
_CHARACTER_SET = 0x00080005
_LAST_OF_INTEREST = 0x7FE00010
_PIXELS = frozenset({0x7FE00008, 0x7FE00009, PIXEL_DATA})
_TEXT = frozenset({"SH", "LO", "ST", "LT", "PN", "UC", "UT"})  # what Specific Character Set is about
_BY_TAG: Mapping[int, KeyAttribute] = {one.tag: one for one in ATTRIBUTES if not one.is_computed}
_NESTED_BY_TAG: Mapping[int, KeyAttribute] = {one.tag: one for one in NESTED}
_ITEM, _ITEM_END, _ITEM_HEADER = 0xFFFEE000, 0xFFFEE00D, 8
# Frames of more than so many are located when the first is asked for.
_MOST_FRAMES = 10_000
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


@dataclass(frozen=True, slots=True)
class Record:
    """The values of one instance by keyword, as text but for numbers; "" where one has no value."""

    values: Mapping[str, str | int]
    transfer_syntax_uid: str
    pixel_data_offset: int | None
    frame_index: bytes | None


def read_record(reader: ByteReader, version: str, contents: SharedBuffers) -> Record:
    """The record of a DICOM file, whose frames' places are packed under the name `version`.

    `contents` is where a deflated file is inflated. Raises SourceError where it is no DICOM file or lacks a UID.
    """
    syntax = read_transfer_syntax_uid(reader)
    with readable(reader, syntax, contents, version) as content:
        elements, pixel_data, header = _elements(content, syntax)
        values = dict(_values(elements, header, syntax))
        if not all(values.get(uid) for uid in _UIDS):
            raise UnreadableHeader("one of the UIDs of study, series and instance is missing")
        found = None if pixel_data is None else Header(elements, pixel_data, header, _is_big(syntax))
        packed = _packed(content, found, syntax, version) if found and content is reader else None
    offset = None if found is None or content is not reader else found.length
    return Record(values, syntax, offset, packed)


def _elements(reader: ByteReader, syntax: str) -> tuple[dict[int, Element], Element | None, bytes]:
    """The top level up to the pixel data, and the bytes that it was read from."""
    length = _FIRST_READ
    while True:
        content = reader.read_at(0, length)
        try:
            return *_walked(content, syntax, is_whole=len(content) >= reader.size), content
        except Incomplete as error:
            if length >= _LARGEST_HEADER or max(len(content), error.position) >= reader.size:
                raise
        length = min(length * 4, _LARGEST_HEADER)


def _walked(content: bytes, syntax: str, *, is_whole: bool) -> tuple[dict[int, Element], Element | None]:
    start = start_of_data_set(content)
    walker = walker_of(content, start, syntax)
    elements: dict[int, Element] = {}
    for element in walker.top_level(start):
        if element.tag in _PIXELS:
            return elements, element
        if element.tag > _LAST_OF_INTEREST:
            return elements, None
        elements[element.tag] = element
    if not is_whole:
        raise Incomplete(walker.position)
    return elements, None


def _packed(reader: ByteReader, header: Header, syntax: str, version: str) -> bytes | None:
    """Where the frames are; None where they do not lie open, or contradict the header: retrieving them tells why."""
    if lookup(syntax).encoding not in (Encoding.NATIVE, Encoding.ENCAPSULATED) or not is_sent_as_it_lies(syntax):
        return None
    try:
        table = locate_frames_below(header, reader, syntax)
        if table.number_of_frames > _MOST_FRAMES:
            return None
        return frame_index.pack(table, reader, version)
    except (HandOver, SourceError, BrokenPixelData):
        return None


def _is_big(syntax: str) -> bool:
    return syntax == EXPLICIT_VR_BIG_ENDIAN


def _values(elements: Mapping[int, Element], content: bytes, syntax: str) -> Iterator[tuple[str, str | int]]:
    found = character_set_of(_raw(elements.get(_CHARACTER_SET), content), LATIN_1)
    order = ">" if _is_big(syntax) else "<"
    for tag, attribute in _BY_TAG.items():
        element = elements.get(tag)
        if element is None:
            continue
        if attribute.vr == "SQ":
            walker = walker_of(content, start_of_data_set(content), syntax)
            end = walker.end(element)
            items = list(_items(walker.inside(element), element.offset, end, content, found))
            yield attribute.keyword, json.dumps(items, ensure_ascii=False)
        else:
            yield attribute.keyword, _value(attribute, _raw(element, content), found, order)


def _raw(element: Element | None, content: bytes) -> bytes:
    if element is None or element.length == UNDEFINED_LENGTH:
        return b""
    return content[element.offset : element.offset + element.length]


def _value(attribute: KeyAttribute, raw: bytes, encoding: CharacterSet, order: str) -> str | int:
    if attribute.vr == "US":
        return int(struct.unpack(f"{order}H", raw[:2])[0]) if len(raw) > 1 else ""
    text = encoding.decode(raw) if attribute.vr in _TEXT else raw.decode("latin-1")
    # Padding is no part of a value (PS3.5 section 6.2), and surrounds each of several.
    text = text.rstrip("\0 ")
    if attribute.is_multiple:
        return "\\".join(one.strip() for one in text.split("\\"))
    return text.strip()


def _items(
    walker: ElementWalker, position: int, end: int, content: bytes, text: CharacterSet
) -> Iterator[dict[str, Any]]:
    """The items of a sequence, with those of their attributes that searches match."""
    while position < end and (item := walker.element(position)).tag == _ITEM:
        stop = end if item.length == UNDEFINED_LENGTH else item.offset + item.length
        found: dict[str, Any] = {}
        position = item.offset
        while position < stop and (element := walker.element(position)).tag != _ITEM_END:
            position = walker.end(element)
            if (attribute := _NESTED_BY_TAG.get(element.tag)) is not None:
                value = _value(attribute, _raw(element, content), text, "<")
                found[attribute.hex_tag] = {"vr": attribute.vr, **({"Value": [value]} if value != "" else {})}
        position = stop if item.length != UNDEFINED_LENGTH else position + _ITEM_HEADER
        yield found
