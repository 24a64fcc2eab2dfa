"""A data set as DICOM JSON (PS3.18 annex F), from the bytes of a stored file's header.

    header = read_header(reader, transfer_syntax_uid).content           # or a file without pixel data, as a whole
    kept = dicom_json(header, transfer_syntax_uid, BulkDataUris(path))  # the same for all clients: to be kept
    body = kept.replace(BASE, public_url.base(headers).encode())        # for one of them

Nothing behind the head of the pixel data element is read. A deflated file is inflated first (`deflated.readable`).
"""

from __future__ import annotations

from base64 import b64encode
from functools import partial
from itertools import repeat

from framecache.dicom.data_set import FLOAT_PIXEL_DATA, PIXEL_DATA, start_of_data_set, walker_of
from framecache.dicom.element_walker import (
    ITEM_HEAD,
    KNOWN_VRS,
    SHORT_VRS,
    UNDEFINED_LENGTH,
    Element,
    ElementWalker,
    Incomplete,
)
from framecache.dicom.model.attributes import (
    PIXEL_REPRESENTATION,
    SHORT_HEAD,
    SPECIFIC_CHARACTER_SET,
    attribute,
    is_private_creator,
    short_attribute,
)
from framecache.dicom.model.bulk_data import BulkData, as_json, little_endian
from framecache.dicom.model.character_sets import DEFAULT_REPERTOIRE, CharacterSet, character_set_of
from framecache.dicom.model.dictionary import STANDARD, Dictionary
from framecache.dicom.model.values import FORMATS, TEXTUAL
from framecache.errors import NestedTooDeeply, UnreadableHeader

_PIXEL_DATA_TAGS = FLOAT_PIXEL_DATA | {PIXEL_DATA}
_ITEM, _ITEM_END = 0xFFFEE000, 0xFFFEE00D
_DEEPEST_NESTING = 64
# A crafted header could occupy a thread, and memory, for minutes.
_MOST_ELEMENTS, _MOST_AT_ONE_LEVEL = 5_000_000, 50_000


def dicom_json(
    header: bytes,
    transfer_syntax_uid: str,
    bulk_data: BulkData,
    *,
    default_character_set: str = DEFAULT_REPERTOIRE,
    dictionary: Dictionary = STANDARD,
) -> bytes:
    """One compact JSON object in UTF-8, with BASE in its URIs if `bulk_data` puts it there.

    `header` is a stored file from its first byte to the head of its pixel data element or beyond, or as a whole if it
    has none. `default_character_set` is the defined term for the text of data sets that name none. Raises
    UnreadableHeader, NestedTooDeeply.
    """
    members = dicom_json_members(
        header, transfer_syntax_uid, bulk_data, default_character_set=default_character_set, dictionary=dictionary
    )
    return f"{{{','.join(members)}}}".encode()


def dicom_json_members(
    header: bytes,
    transfer_syntax_uid: str,
    bulk_data: BulkData,
    *,
    default_character_set: str = DEFAULT_REPERTOIRE,
    dictionary: Dictionary = STANDARD,
) -> list[str]:
    """The members of that object, each `"GGGGEEEE":{…}`: what instances have in common is found without parsing it."""
    start = start_of_data_set(header)
    scope = _Scope(walker_of(header, start, transfer_syntax_uid), character_set_of(b"", default_character_set))
    writer = _Writer(header, bulk_data, default_character_set, dictionary)
    return writer.members(start, len(header), scope)[0]


class _Scope:
    """How the elements of a data set or an item are read."""

    __slots__ = ("character_set", "creators", "depth", "is_signed", "parent", "place", "walker")

    def __init__(self, walker: ElementWalker, character_set: CharacterSet, parent: _Scope | None = None) -> None:
        """An item has its parent's character set, before it says anything else."""
        self.walker, self.character_set, self.parent = walker, character_set, parent
        self.is_signed: bool = parent is not None and parent.is_signed
        self.depth: int = parent.depth + 1 if parent else 0
        self.place = (0, 0)  # the sequence's tag, and the item's number
        self.creators: dict[int, str] | None = None  # by group and block (PS3.5 section 7.8.1)

    @property
    def path(self) -> str:
        """What is in front of tags in bulk data URIs."""
        tag, number = self.place
        return f"{self.parent.path}{tag:08x}/{number}/" if self.parent else ""


class _Writer:
    """Writes objects as text, of elements in `content`."""

    def __init__(self, content: bytes, bulk_data: BulkData, default_character_set: str, dictionary: Dictionary) -> None:
        self._content, self._bulk_data, self._dictionary = content, bulk_data, dictionary
        self._default_character_set, self._number_of_elements = default_character_set, 0

    def members(self, position: int, end: int, scope: _Scope) -> tuple[list[str], int]:
        """Those of the elements from `position` to `end` or an item's delimiter, and the position behind them."""
        content, size, is_plain = self._content, len(self._content), scope.walker.is_plain
        members: list[str] = []
        last, is_in_order = 0, True
        for _ in repeat(None, _MOST_AT_ONE_LEVEL):
            if position >= end:
                break
            start = position
            if is_plain and content[start + 4 : start + 6] in SHORT_VRS and start + SHORT_HEAD <= size:
                # Nearly all elements, in half the time of what is below.
                position += SHORT_HEAD + content[start + 6] + (content[start + 7] << 8)
                tag, text, is_context = short_attribute(content[start:position], scope.character_set)
                if is_context:
                    self._note(tag, content[start + SHORT_HEAD : position], scope)
            else:
                element = scope.walker.element(start)
                if element.tag == _ITEM_END:
                    position = element.offset
                    break
                tag, (text, position) = element.tag, self._attribute(element, scope)
            if position > size:
                raise Incomplete(size)
            if text and tag & 0xFFFF:  # else a group length
                members.append(text)
                is_in_order &= tag > last
                last = tag
        else:
            raise UnreadableHeader("the header has too many elements")
        self._count(len(members))
        return members if is_in_order else _ordered(members), position

    def _count(self, number: int) -> None:
        self._number_of_elements += number
        if self._number_of_elements > _MOST_ELEMENTS:
            raise UnreadableHeader("the header has too many elements")

    def _attribute(self, element: Element, scope: _Scope) -> tuple[str, int]:
        """The member, "" if there is none, and the position behind the element: at the pixel data, the end of all."""
        if element.vr == b"SQ":
            return self._sequence(element, scope)
        vr = self._vr(element, scope)
        end = element.offset + element.length
        if vr in FORMATS[scope.walker.order]:
            value = self._content[element.offset : end]
            self._note(element.tag, value, scope)
            return attribute(element.tag, vr, value, scope.character_set, scope.walker.order), end
        if vr == "SQ":
            return self._sequence(element, scope)
        if element.tag in _PIXEL_DATA_TAGS and not scope.depth:
            return self._binary(element, vr, scope), len(self._content)
        if element.length == UNDEFINED_LENGTH:
            # An icon's fragments: nothing answers with them, and the stock plugin leaves them out.
            return "", scope.walker.end(element)
        return self._binary(element, vr, scope), end

    def _vr(self, element: Element, scope: _Scope) -> str:
        """As in the file, unless it has none, or an unknown one where the attribute is known (PS3.5 section 6.2.2)."""
        tag, vr = element.tag, element.vr.decode() if element.vr in KNOWN_VRS else "UN" if element.vr else ""
        if element.length == UNDEFINED_LENGTH and tag == PIXEL_DATA:
            return "OB"  # whatever the file says (PS3.5 section A.4)
        if element.length == UNDEFINED_LENGTH and vr in ("", "UN"):
            return "SQ"
        if vr not in ("", "UN"):
            return vr
        known = self._dictionary.vr(tag, (scope.creators or {}).get(tag >> 8, ""), is_signed=scope.is_signed)
        # Nobody knows the byte order of what came to Big Endian as "unknown", or the encoding of such items.
        is_readable = known in TEXTUAL or (scope.walker.order == "<" and known != "SQ")
        return known if is_readable or not vr else "UN"

    def _note(self, tag: int, value: bytes, scope: _Scope) -> None:
        """What other elements of this data set are read by."""
        if tag == PIXEL_REPRESENTATION:
            scope.is_signed = any(value)
        elif tag == SPECIFIC_CHARACTER_SET:
            scope.character_set = character_set_of(value, self._default_character_set)
        elif is_private_creator(tag):
            creator = value.rstrip(b" \0").decode("iso8859-1")
            scope.creators = {**(scope.creators or {}), tag >> 16 << 8 | tag & 0xFF: creator}

    def _binary(self, element: Element, vr: str, scope: _Scope) -> str:
        opening = f'"{element.tag:08X}":{{"vr":"{vr}"'
        if not element.length:
            return opening + "}"
        value = partial(self._value, element, vr, scope.walker.order)
        uri = self._bulk_data(f"{scope.path}{element.tag:08x}", vr, element.length, value)
        if uri is None:
            return f'{opening},"InlineBinary":"{b64encode(value()).decode()}"}}'
        return f'{opening},"BulkDataURI":{as_json(uri)}}}'

    def _value(self, element: Element, vr: str, order: str) -> memoryview:
        value = memoryview(self._content)[element.offset : element.offset + element.length]
        return little_endian(value, vr, order)

    def _sequence(self, element: Element, scope: _Scope) -> tuple[str, int]:
        """Of a damaged item in a sequence of known length only that sequence is cut short, and the rest is read."""
        items: list[str] = []
        end = _end(element.length, element.offset, len(self._content))
        try:
            position = self._read_items(element, end, scope, items)
        except UnreadableHeader:
            if element.length == UNDEFINED_LENGTH or end > len(self._content):
                raise
            position = end
        values = f',"Value":[{",".join(items)}]' if items else ""
        return f'"{element.tag:08X}":{{"vr":"SQ"{values}}}', position

    def _read_items(self, sequence: Element, end: int, scope: _Scope, items: list[str]) -> int:
        """Add the objects to `items`; the position behind them."""
        if scope.depth == _DEEPEST_NESTING:
            raise NestedTooDeeply
        walker = scope.walker.inside(sequence)
        position = sequence.offset
        while position < end:
            tag, length = walker.item(position)
            position += ITEM_HEAD
            if tag != _ITEM:
                break
            within = _Scope(walker, scope.character_set, scope)
            within.place = sequence.tag, len(items) + 1
            members, position = self.members(position, _end(length, position, end), within)
            items.append("{" + ",".join(members) + "}")
        return position


def _end(length: int, offset: int, end_of_parent: int) -> int:
    return end_of_parent if length == UNDEFINED_LENGTH else offset + length


_KEY = 10  # characters of the tag, and its quotes


def _ordered(members: list[str]) -> list[str]:
    """By tag; of those that are there twice, the first."""
    found: dict[str, str] = {}
    for member in members:
        found.setdefault(member[:_KEY], member)
    return [found[key] for key in sorted(found)]
