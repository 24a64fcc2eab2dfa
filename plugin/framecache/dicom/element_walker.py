"""Walks the elements of a data set in its bytes (PS3.5 section 7.1)."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Collection, Iterator
from typing import NamedTuple

from framecache.errors import NestedTooDeeply, UnreadableHeader

UNDEFINED_LENGTH = 0xFFFFFFFF
ITEM_HEAD = 8  # bytes of its tag and its length (PS3.5 section 7.5)
_ITEM_GROUP = 0xFFFE
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
# PS3.5 section 7.1.2: these VRs have two reserved bytes and a 4-byte length, the others a 2-byte length.
_LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
SHORT_VRS = frozenset({b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN"}) | (
    frozenset({b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"})
)
KNOWN_VRS = _LONG_VRS | SHORT_VRS
_PLAIN = struct.Struct("<HH2xH")  # tag, VR and length of SHORT_VRS
_DEEPEST_NESTING = 64
# A whole slide's header has millions of elements in its items; a crafted one could occupy a thread for minutes.
_MOST_ELEMENTS, _MOST_AT_TOP = 10_000_000, 50_000


class Incomplete(UnreadableHeader):
    """The next element at `position` is beyond the bytes read so far."""

    def __init__(self, position: int) -> None:
        super().__init__("the stored file ends inside its header")
        self.position = position


class Element(NamedTuple):
    """One data element; it begins at byte `start` of the file, its value at `offset`.

    `vr` is empty in Implicit VR; `length` may be UNDEFINED_LENGTH.
    """

    tag: int
    vr: bytes
    offset: int
    length: int
    start: int


class ElementWalker:
    """Walks `content` in one encoding, with bounded recursion: HTTP threads have 100 kB of stack."""

    def __init__(self, content: bytes, *, explicit: bool, order: str, steps: Iterator[int] | None = None) -> None:
        """`order` is "<" or ">", as `struct` has them."""
        self._content, self._explicit, self.order = content, explicit, order
        self.is_plain = explicit and order == "<"  # Explicit VR Little Endian
        self._tag = struct.Struct(order + "HH")
        self._short = struct.Struct(order + "H")
        self._long = struct.Struct(order + "L")
        self._item = struct.Struct(order + "HHL")
        self._steps = steps or itertools.count()
        self.position = 0

    def top_level(self, position: int) -> Iterator[Element]:
        """The elements from `position` on, until the bytes end between two elements, at `self.position`."""
        number, self.position = 0, position
        while self.position < len(self._content):
            element = self.element(self.position)
            yield element
            number, self.position = number + 1, self.end(element)
            if number > _MOST_AT_TOP:
                raise UnreadableHeader("the header has too many elements")

    def values(self, position: int, tags: Collection[int]) -> dict[int, bytes]:
        """The values of these elements from `position` on. Elements are in ascending order (PS3.5 section 7.1)."""
        content, last, found = self._content, max(tags), dict[int, bytes]()
        for _ in range(_MOST_AT_TOP):
            if position >= len(content):
                return found
            tag, offset, position = self._extent(position)
            if tag > last:
                return found
            if tag in tags:
                found[tag] = content[offset:position]
        raise UnreadableHeader("the header has too many elements")

    def _extent(self, position: int) -> tuple[int, int, int]:
        """The tag of the element at `position`, where its value begins, and where it ends. Raises as `end`."""
        content, offset = self._content, position + 8
        if self.is_plain and content[position + 4 : position + 6] in SHORT_VRS and offset <= len(content):
            # Nearly all elements, in a third of the time of what is below.
            high, low, length = _PLAIN.unpack_from(content, position)
            return high << 16 | low, offset, offset + length
        element = self.element(position)
        return element.tag, element.offset, self.end(element)

    def element(self, position: int) -> Element:
        """The element at `position`. Raises Incomplete."""
        content = self._content
        try:
            group, number = self._tag.unpack_from(content, position)
            tag = group << 16 | number
            if not self._explicit or group == _ITEM_GROUP:
                return Element(tag, b"", position + 8, self._long.unpack_from(content, position + 4)[0], position)
            vr = content[position + 4 : position + 6]
            if vr in SHORT_VRS:
                return Element(tag, vr, position + 8, self._short.unpack_from(content, position + 6)[0], position)
            if vr in _LONG_VRS:
                return Element(tag, vr, position + 12, self._long.unpack_from(content, position + 8)[0], position)
            return self._of_impossible_vr(tag, vr, position)
        except struct.error:
            raise Incomplete(position) from None

    def item(self, position: int) -> tuple[int, int]:
        """The tag and the length of the item or delimiter at `position`, whose head has ITEM_HEAD bytes.

        Raises Incomplete.
        """
        try:
            group, number, length = self._item.unpack_from(self._content, position)
        except struct.error:
            raise Incomplete(position) from None
        return group << 16 | number, length

    def _of_impossible_vr(self, tag: int, vr: bytes, position: int) -> Element:
        """In the form behind which another element is; else as DCMTK, and so Orthanc, would take it.

        Two capitals may be a VR of a later edition, all of which have the long form. Else the VR may be missing.
        """
        content = self._content
        short = Element(tag, vr, position + 8, self._short.unpack_from(content, position + 6)[0], position)
        implicit = Element(tag, b"", position + 8, self._long.unpack_from(content, position + 4)[0], position)
        long = Element(tag, vr, position + 12, self._long.unpack_from(content, position + 8)[0], position)
        is_later = vr.isalpha() and vr.isupper()
        found = (long, short, implicit) if is_later else (short, implicit, long)
        return next(filter(self._leads_on, found), found[0])

    def _leads_on(self, element: Element) -> bool:
        """Whether items are in this element, or one of a greater tag is behind it, and of a known VR or as odd."""
        is_open = element.length == UNDEFINED_LENGTH
        position = element.offset if is_open else element.offset + element.length
        head = self._content[position : position + 6]
        if len(head) < 6:  # noqa: PLR2004 - tag and VR
            return False
        group, number = self._tag.unpack_from(head)
        following = int(group << 16 | number)
        if is_open:
            return following == _ITEM
        is_as_odd = head[4:] == element.vr if element.vr else following >> 16 == element.tag >> 16
        return following > element.tag and (is_as_odd or head[4:] in KNOWN_VRS)

    def end(self, element: Element) -> int:
        """The position after `element`, through all nested items of undefined length.

        Raises Incomplete, UnreadableHeader, NestedTooDeeply.
        """
        if element.length != UNDEFINED_LENGTH:
            return element.offset + element.length
        open_ends = [(_SEQUENCE_END, self.inside(element))]
        position = element.offset
        while open_ends:
            if next(self._steps) > _MOST_ELEMENTS:
                raise UnreadableHeader("the header has too many elements")
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
                # An item of known length is skipped as a whole, like any value.
                position += found.length
        return position

    def inside(self, element: Element) -> ElementWalker:
        """The walker for the items of `element`: UN of undefined length has Implicit VR Little Endian (PS3.5 6.2.2)."""
        if element.vr != b"UN":
            return self
        return ElementWalker(self._content, explicit=False, order="<", steps=self._steps)
