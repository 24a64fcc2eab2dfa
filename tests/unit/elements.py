"""Data elements as bytes (PS3.5 section 7.1), for files that pydicom would not write."""

from __future__ import annotations

import struct

ITEM_END = struct.pack("<HHL", 0xFFFE, 0xE00D, 0)


def short(tag: int, vr: bytes, value: bytes, order: str = "<") -> bytes:
    """Of a VR with a 2-byte length."""
    return struct.pack(order + "HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def long(tag: int, vr: bytes, value: bytes, length: int | None = None, order: str = "<") -> bytes:
    """Of a VR with a 4-byte length."""
    length = len(value) if length is None else length
    return struct.pack(order + "HH2sHL", tag >> 16, tag & 0xFFFF, vr, 0, length) + value


def implicit(tag: int, value: bytes) -> bytes:
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value)) + value
