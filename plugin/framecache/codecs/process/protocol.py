"""What goes over the pipes between Orthanc and a helper process: a JSON head, the file's header, a frame.

    magic, lengths of the three parts | head | header | frame

Lengths are bounded on both sides. Nothing is pickled.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

MAGIC = b"FCC1"
_PREFIX = struct.Struct("<4sLQQ")
PREFIX_SIZE = _PREFIX.size
LARGEST_HEAD = 64 << 10  # bytes
LARGEST_HEADER = 256 << 20

Head = Mapping[str, Any]


class ProtocolError(Exception):
    """The other side does not speak the protocol."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Of the parts that follow, in bytes."""

    head: int
    header: int
    frame: int


def pack(head: Head, header: bytes | memoryview = b"", frame: bytes | memoryview = b"") -> bytes:
    """What goes before `header` and `frame`, which follow as they are. Raises ProtocolError for too long a head."""
    text = json.dumps(head).encode()
    if len(text) > LARGEST_HEAD or len(header) > LARGEST_HEADER:
        raise ProtocolError("the message is too long")
    return _PREFIX.pack(MAGIC, len(text), len(header), len(frame)) + text


def unpack_lengths(prefix: bytes, largest_frame: int) -> Lengths:
    """The lengths of what follows. Raises ProtocolError where one is out of bounds."""
    magic, *lengths = _PREFIX.unpack(prefix)
    found = Lengths(*lengths)
    if magic != MAGIC or found.head > LARGEST_HEAD or found.header > LARGEST_HEADER or found.frame > largest_frame:
        raise ProtocolError("the message is not one of ours, or too long")
    return found


def unpack_head(text: bytes) -> Head:
    """The JSON object. Raises ProtocolError."""
    try:
        head = json.loads(text)
    except ValueError as error:
        raise ProtocolError("the head is not JSON") from error
    if not isinstance(head, dict):
        raise ProtocolError("the head is not an object")
    return head


def read_message(stream: BinaryIO, largest_frame: int) -> tuple[Head, bytes, bytes] | None:
    """The next message, or None at the end of the stream. Raises ProtocolError."""
    prefix = stream.read(PREFIX_SIZE)
    if not prefix:
        return None
    if len(prefix) < PREFIX_SIZE:
        raise ProtocolError("the stream ends within a message")
    lengths = unpack_lengths(prefix, largest_frame)
    parts = [stream.read(length) for length in (lengths.head, lengths.header, lengths.frame)]
    if sum(map(len, parts)) < lengths.head + lengths.header + lengths.frame:
        raise ProtocolError("the stream ends within a message")
    return unpack_head(parts[0]), parts[1], parts[2]
