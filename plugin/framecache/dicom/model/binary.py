"""Binary values (PS3.18 sections F.2.6 and F.2.7)."""

from __future__ import annotations

from array import array
from base64 import b64encode
from types import MappingProxyType

from framecache.dicom.big_endian import word_size_of
from framecache.dicom.element_walker import Element

_TYPES = MappingProxyType({2: "H", 4: "I", 8: "Q"})


def little_endian(content: bytes, element: Element, vr: str, order: str) -> memoryview:
    """The value of `element` in `content`, whose byte order is `order`."""
    value = memoryview(content)[element.offset : element.offset + element.length]
    size = word_size_of(vr.encode())
    if order == "<" or size == 1:
        return value
    words = array(_TYPES[size], value[: len(value) - len(value) % size].tobytes())
    words.byteswap()
    return memoryview(words).cast("B")


def inline_binary(value: memoryview) -> str:
    return b64encode(value).decode()
