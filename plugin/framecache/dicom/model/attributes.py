"""Attributes as members of a DICOM JSON object: the tag, the VR and the values."""

from __future__ import annotations

from functools import lru_cache

from framecache.dicom.model.character_sets import CharacterSet
from framecache.dicom.model.values import FORMATS

SPECIFIC_CHARACTER_SET, PIXEL_REPRESENTATION = 0x00080005, 0x00280103
SHORT_HEAD = 8  # bytes before the value of an element with a short VR (PS3.5 section 7.1.2)
_LONGEST_KEPT = 64  # bytes; few longer elements are the same elsewhere
_PRIVATE, _CREATORS = 0x00010000, range(0x10, 0x100)  # PS3.5 section 7.8.1


def attribute(tag: int, vr: str, value: bytes, character_set: CharacterSet, order: str) -> str:
    """The member of an attribute whose VR is in FORMATS; `order` is that of the bytes."""
    return f'"{tag:08X}":{{"vr":"{vr}"{FORMATS[order][vr](value, character_set)}}}'


def is_private_creator(tag: int) -> bool:
    return bool(tag & _PRIVATE) and tag & 0xFFFF in _CREATORS


def short_attribute(element: bytes, character_set: CharacterSet) -> tuple[int, str, bool]:
    """The tag, the member, and whether others are read by what it says, of an element with a short VR.

    `element` is all of it, in Explicit VR Little Endian. A series' slices, and an image's functional groups, have most
    elements in common, so what became of them is kept.
    """
    if len(element) > _LONGEST_KEPT:
        return _short_attribute(element, character_set)
    return _kept(element, character_set)


def _short_attribute(element: bytes, character_set: CharacterSet) -> tuple[int, str, bool]:
    tag = int.from_bytes(element[:2], "little") << 16 | int.from_bytes(element[2:4], "little")
    text = attribute(tag, element[4:6].decode(), element[SHORT_HEAD:], character_set, "<")
    is_context = tag in (SPECIFIC_CHARACTER_SET, PIXEL_REPRESENTATION) or is_private_creator(tag)
    return tag, text, is_context


_kept = lru_cache(8192)(_short_attribute)
