"""A data set as DICOM JSON (PS3.18 annex F), from the bytes of a stored file's header.

    header = read_header(reader, transfer_syntax_uid).content           # or a file without pixel data, as a whole
    kept = dicom_json(header, transfer_syntax_uid, BulkDataUris(path))  # the same for all clients: to be kept
    body = kept.replace(BASE, public_url.base(headers).encode())        # for one of them

Nothing behind the head of the pixel data element is read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from framecache.dicom.data_set import FLOAT_PIXEL_DATA, PIXEL_DATA, start_of_data_set, walker_of
from framecache.dicom.element_walker import UNDEFINED_LENGTH, Element, ElementWalker
from framecache.dicom.model.binary import inline_binary, little_endian
from framecache.dicom.model.bulk_data import BulkData, as_json
from framecache.dicom.model.character_sets import DEFAULT_REPERTOIRE, CharacterSet, character_set
from framecache.dicom.model.dictionary import vr_of
from framecache.dicom.model.values import FORMATS, is_binary
from framecache.dicom.transfer_syntax import EXPLICIT_VR_BIG_ENDIAN
from framecache.errors import NestedTooDeeply

_PIXEL_DATA_TAGS = FLOAT_PIXEL_DATA | {PIXEL_DATA}
_SPECIFIC_CHARACTER_SET, _PIXEL_REPRESENTATION = 0x00080005, 0x00280103
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_DEEPEST_NESTING = 64


def dicom_json(
    header: bytes, transfer_syntax_uid: str, bulk_data: BulkData, *, default_character_set: str = DEFAULT_REPERTOIRE
) -> bytes:
    """One compact JSON object in UTF-8, with BASE in its URIs if `bulk_data` puts it there.

    `header` is a stored file from its first byte to the head of its pixel data element or beyond, or as a whole if it
    has none; a deflated one has to be inflated first. `default_character_set` is the defined term for text of data
    sets that name none. Raises UnreadableHeader, NestedTooDeeply.
    """
    start = start_of_data_set(header)
    walker = walker_of(header, start, transfer_syntax_uid)
    order = ">" if transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN else "<"
    writer = _Writer(header, order, bulk_data, default_character_set)
    return writer.top_level(walker, start).encode("utf-8", "replace")


@dataclass(slots=True)
class _Scope:
    """How the elements of a data set or an item are read; those of an item as its parent's, unless it says more.

    `path` is in front of the tags in bulk data URIs.
    """

    character_set: CharacterSet
    walker: ElementWalker
    path: str = ""
    depth: int = 0
    is_signed: bool = False


class _Writer:
    def __init__(self, content: bytes, order: str, bulk_data: BulkData, default_character_set: str) -> None:
        self._content, self._order, self._bulk_data = content, order, bulk_data
        self._default, self._formats = default_character_set, FORMATS[order]

    def top_level(self, walker: ElementWalker, start: int) -> str:
        scope = _Scope(character_set((), self._default), walker)
        return self._data_set(start, len(self._content), scope)[0]

    def _data_set(self, position: int, end: int, scope: _Scope) -> tuple[str, int]:
        """Its object, and the position behind it."""
        members: dict[int, str] = {}
        while position < end:
            element = scope.walker.element(position)
            if element.tag == _ITEM_END:
                position = element.offset
                break
            text, position = self._attribute(element, scope)
            if element.tag & 0xFFFF:  # not a group length
                members[element.tag] = text
            if element.tag in _PIXEL_DATA_TAGS and not scope.depth:
                break
        return "{" + ",".join([f'"{tag:08X}":{members[tag]}' for tag in sorted(members)]) + "}", position

    def _attribute(self, element: Element, scope: _Scope) -> tuple[str, int]:
        vr = self._vr(element, scope)
        end = element.offset + element.length
        format_ = self._formats.get(vr)
        if format_ is not None and element.length != UNDEFINED_LENGTH:
            value = self._content[element.offset : end]
            self._note(element.tag, value, scope)
            return f'{{"vr":"{vr}"{format_(value, scope.character_set)}}}', end
        if vr == "SQ" or (element.length == UNDEFINED_LENGTH and vr == "UN"):
            return self._sequence(element, scope)
        if element.length == UNDEFINED_LENGTH and scope.depth:
            end = scope.walker.end(element)
        return self._binary(element, vr if is_binary(vr) else "UN", scope), end

    def _vr(self, element: Element, scope: _Scope) -> str:
        """As in the file; of what is known though the file says "unknown", that of PS3.6 (PS3.5 section 6.2.2)."""
        if element.length == UNDEFINED_LENGTH and element.tag == PIXEL_DATA:
            return "OB"  # encapsulated, whatever the file says (PS3.5 section A.4)
        vr = element.vr.decode("iso8859-1")
        if vr and vr != "UN":
            return vr
        known = vr_of(element.tag, is_signed=scope.is_signed)
        is_opaque = vr == "UN" and (element.length == UNDEFINED_LENGTH or known == "SQ")
        return "UN" if is_opaque else known

    def _note(self, tag: int, value: bytes, scope: _Scope) -> None:
        if tag == _PIXEL_REPRESENTATION:
            scope.is_signed = any(value)
        elif tag == _SPECIFIC_CHARACTER_SET:
            terms = tuple(term.strip() for term in value.rstrip(b" \0").decode("iso8859-1").split("\\"))
            scope.character_set = character_set(terms, self._default)

    def _binary(self, element: Element, vr: str, scope: _Scope) -> str:
        if not element.length:
            return f'{{"vr":"{vr}"}}'
        value = partial(little_endian, self._content, element, vr, self._order)
        uri = self._bulk_data(f"{scope.path}{element.tag:08x}", vr, element.length, value)
        if uri is None:
            return f'{{"vr":"{vr}","InlineBinary":"{inline_binary(value())}"}}'
        return f'{{"vr":"{vr}","BulkDataURI":{as_json(uri)}}}'

    def _sequence(self, element: Element, scope: _Scope) -> tuple[str, int]:
        if scope.depth == _DEEPEST_NESTING:
            raise NestedTooDeeply
        items: list[str] = []
        within = replace(scope, walker=scope.walker.inside(element), depth=scope.depth + 1)
        position, end = element.offset, self._end(element, len(self._content))
        while position < end:
            item = within.walker.element(position)
            position = item.offset
            if item.tag != _ITEM:
                break
            within.path = f"{scope.path}{element.tag:08x}/{len(items) + 1}/"
            text, position = self._data_set(position, self._end(item, end), replace(within))
            items.append(text)
        values = f',"Value":[{",".join(items)}]' if items else ""
        return f'{{"vr":"SQ"{values}}}', position

    def _end(self, element: Element, end_of_parent: int) -> int:
        return end_of_parent if element.length == UNDEFINED_LENGTH else element.offset + element.length
