"""Colours: palettes (PS3.3 section C.7.6.3.1.5) and colour spaces (C.7.6.3.1.2), as RGB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from framecache.codecs.process.errors import Undecodable
from framecache.dicom.transfer_syntax import EXPLICIT_VR_BIG_ENDIAN

Colours = npt.NDArray[np.uint8]
Samples = npt.NDArray[Any]
_BYTE = 8  # bits
_BRIGHTEST = 255
# The transforms of JPEG 2000 are undone inside its code stream; other syntaxes know none, whatever they are called.
_RGB = ("RGB", "YBR_RCT", "YBR_ICT")
_RED_FROM_CR, _GREEN_FROM_CB, _GREEN_FROM_CR, _BLUE_FROM_CB = 1.402, 0.344136, 0.714136, 1.772


def true_colour(pixels: Samples, photometric_interpretation: str, bits_stored: int) -> Colours:
    """`pixels`, of shape (…, 3), as RGB of 8 bits. Raises Undecodable for colours of a name that is not known."""
    if pixels.shape[2:] != (3,):
        raise Undecodable("colour has three samples")
    colours = _most_significant(pixels, bits_stored)
    if photometric_interpretation in _RGB:
        return colours
    if photometric_interpretation in ("YBR_FULL", "YBR_FULL_422"):
        return from_ybr_full(colours, _BYTE)
    raise Undecodable(f"{photometric_interpretation} is not shown")


def _most_significant(pixels: Samples, bits_stored: int) -> Colours:
    """8 bits of each sample; what loss made of the brightest stays the brightest."""
    if pixels.dtype == np.uint8 and bits_stored <= _BYTE:
        return pixels
    brightest: Colours = np.clip(pixels >> max(0, bits_stored - _BYTE), 0, _BRIGHTEST).astype(np.uint8)
    return brightest


def from_ybr_full(pixels: Samples, bits: int) -> Samples:
    """RGB of YBR_FULL samples of `bits` bits: the inverse of PS3.3 section C.7.6.3.1.2.

    Rounded down as the stock plugin's decoder does.
    """
    y, cb, cr = np.moveaxis(pixels.astype(np.float64), -1, 0)
    neutral, brightest = 1 << (bits - 1), (1 << bits) - 1
    cb -= neutral
    cr -= neutral
    rgb = y + _RED_FROM_CR * cr, y - _GREEN_FROM_CB * cb - _GREEN_FROM_CR * cr, y + _BLUE_FROM_CB * cb
    rounded: Samples = np.clip(np.stack(rgb, axis=-1), 0, brightest).astype(pixels.dtype)
    return rounded


Entries = npt.NDArray[np.unsignedinteger[Any]]

_MOST_ENTRIES = 1 << 16  # which is written as 0
_COLOURS = ("Red", "Green", "Blue")
_DISCRETE, _LINEAR, _INDIRECT = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Palette:
    """`colours` of shape (entries, 3); the first is that of the stored value `first` and of all below it."""

    colours: Colours
    first: int

    @classmethod
    def from_data_set(cls, data_set: Dataset) -> Self:
        """Raises Undecodable where the tables are broken or not there."""
        try:
            descriptor = [int(value) for value in data_set.RedPaletteColorLookupTableDescriptor]
            count, first, bits = descriptor[0] & (_MOST_ENTRIES - 1) or _MOST_ENTRIES, descriptor[1], descriptor[2]
            tables = [_table(data_set, colour, count, bits) for colour in _COLOURS]
        except (AttributeError, TypeError, ValueError, IndexError, KeyError, OverflowError) as error:
            raise Undecodable("the Palette Color Lookup Tables are incomplete or wrong") from error
        return cls(np.stack(tables, axis=-1), first)

    def look_up(self, stored_values: npt.NDArray[Any]) -> Colours:
        """RGB, of shape (…, 3)."""
        indices = np.clip(stored_values.astype(np.int64) - self.first, 0, len(self.colours) - 1)
        return self.colours[indices]


def _table(data_set: Dataset, colour: str, count: int, bits: int) -> Colours:
    """Entries of more than 8 bits have their most significant ones shown."""
    data = data_set.get(f"{colour}PaletteColorLookupTableData")
    if data is not None:
        entries = _entries(_little_endian(data, data_set), count)
    else:
        segmented = _little_endian(data_set[f"Segmented{colour}PaletteColorLookupTableData"].value, data_set)
        entries = _expanded(np.frombuffer(segmented, "<u2" if bits > _BYTE else "u1"), count)
    if len(entries) < count:
        raise ValueError("the table is shorter than its descriptor says")
    shift = max(0, bits - _BYTE) if entries.itemsize > 1 else 0
    return (entries[:count] >> shift).astype(np.uint8)


def _little_endian(data: Any, data_set: Dataset) -> bytes:
    """OW is of words, whatever the size of an entry (PS3.5 section 7.3); values of US are numbers already."""
    if not isinstance(data, bytes):
        return np.atleast_1d(np.asarray(data, "<u2")).tobytes()
    if data_set.file_meta.TransferSyntaxUID != EXPLICIT_VR_BIG_ENDIAN:
        return data
    return np.frombuffer(data, ">u2").astype("<u2").tobytes()


def _entries(data: bytes, count: int) -> Entries:
    """Entries of 8 bits may lie two in a word, the first in its lower half, or one by one."""
    return np.frombuffer(data, "<u2" if len(data) >= 2 * count else np.uint8)


def _expanded(segments: Entries, count: int) -> Entries:
    """Segments (PS3.3 section C.7.9.2) to `count` entries; no more segments than that."""
    found: list[int] = []
    for opcode, length, position in islice(_walk(segments, 0, count, depth=0), count):
        if opcode == _DISCRETE:
            found.extend(map(int, segments[position : position + length]))
        else:
            start, end = found[-1], int(segments[position])
            steps = np.arange(1, length + 1)
            found.extend(np.around(start + (end - start) * steps / max(1, length)).astype(int).tolist())
        if len(found) >= count:
            break
    return np.array(found[:count], segments.dtype)


def _walk(segments: Entries, position: int, number: int, depth: int) -> Iterator[tuple[int, int, int]]:
    """Opcode, length and place of the values of up to `number` segments; indirect ones are followed once."""
    for _ in range(number):
        if position + 1 >= len(segments):
            return
        opcode, length = int(segments[position]), int(segments[position + 1])
        position += 2
        if opcode == _INDIRECT and depth == 0:
            size = 4 // segments.itemsize
            offset = int.from_bytes(segments[position : position + size].tobytes(), "little")
            yield from _walk(segments, offset // segments.itemsize, length, depth=1)
            position += size
        elif opcode in (_DISCRETE, _LINEAR):
            yield opcode, length, position
            position += length if opcode == _DISCRETE else 1
        else:
            raise ValueError(f"there is no segment {opcode}")
