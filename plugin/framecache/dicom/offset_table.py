"""The Basic and the Extended Offset Table: where frames begin (PS3.5 section A.4, PS3.3 section C.7.6.3.1.8)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from framecache.dicom.byte_reader import ByteReader
from framecache.dicom.data_set import EXTENDED_OFFSET_TABLE, Header
from framecache.dicom.frame_table import Extent


def read_offset_table(reader: ByteReader, header: Header, basic: Extent) -> Sequence[int]:
    """Where each frame's first item begins, counted from the first item behind the Basic Offset Table.

    Empty where there is no table, and where it cannot be one: offsets begin with 0 and grow.
    """
    extended = header.value(EXTENDED_OFFSET_TABLE)
    entries = _entries("Q", extended) if extended else _entries("I", reader.read_at(basic.offset, basic.length))
    is_plausible = len(entries) > 0 and entries[0] == 0 and all(a < b for a, b in pairwise(entries))
    return entries if is_plausible else ()


def _entries(kind: Literal["I", "Q"], table: bytes) -> Sequence[int]:
    return array(kind, table) if len(table) % array(kind).itemsize == 0 else ()
