"""The stored file's header: parsed once for the many frames that share it."""

from __future__ import annotations

import io
from collections import OrderedDict
from dataclasses import replace

import pydicom
from pydicom import Dataset

from framecache.codecs.process.errors import Undecodable
from framecache.codecs.process.pixels import PixelDescription

_MOST_KEPT = 4
_PIXEL_DATA_HEAD = 12  # bytes before the value: tag, VR, two reserved, length
_IMPLICIT_HEAD = 8
_FLOAT_TAGS = tuple(bytes.fromhex(tag) for tag in ("e07f0800", "e07f0900", "7fe00008", "7fe00009"))
_PIXEL_DATA_TAGS = tuple(bytes.fromhex(tag) for tag in ("7fe00008", "7fe00009", "7fe00010"))


class Headers:
    """Data sets by the bytes that they were parsed from; the least recently used ones go."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, tuple[Dataset, PixelDescription]] = OrderedDict()

    def parse(self, header: bytes) -> tuple[Dataset, PixelDescription]:
        """The data set and what it says of the pixels. Raises Undecodable."""
        parsed = self._kept.pop(header, None)
        if parsed is None:
            parsed = _parse(header)
        self._kept[header] = parsed
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return parsed


def _parse(header: bytes) -> tuple[Dataset, PixelDescription]:
    """`header` may go on with the first bytes of the pixel data element, which tell its VR."""
    try:
        data_set = pydicom.dcmread(io.BytesIO(header), stop_before_pixels=True)
    except Undecodable:
        raise
    except Exception as error:  # pydicom raises what it meets; its message may hold values
        raise Undecodable(f"the header cannot be parsed ({type(error).__name__})") from error
    description = PixelDescription.from_data_set(data_set, _big_endian_vr(header))
    return data_set, replace(description, is_float=_is_float(header))


def _is_float(header: bytes) -> bool:
    """Whether `header` ends with the head of Float or Double Float Pixel Data, which is shorter in Implicit VR."""
    return header[-_PIXEL_DATA_HEAD:][:4] in _FLOAT_TAGS or header[-_IMPLICIT_HEAD:][:4] in _FLOAT_TAGS


def _big_endian_vr(header: bytes) -> str:
    """The pixel data's VR where its element's head is the end of a Big Endian header, else an empty text."""
    head = header[-_PIXEL_DATA_HEAD:]
    return head[4:6].decode("ascii", "replace") if head[:4] in _PIXEL_DATA_TAGS else ""
