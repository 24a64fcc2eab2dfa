"""The archive's own JSON: one spelling for equal content, compressed, and named by its content."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from typing import Any

from framecache.tree.errors import Damaged
from framecache.tree.layout import digest

# Of the file's comment (RFC 1952 section 2.3.1): what a derived file is made of.
_HEAD = b"\x1f\x8b\x08\x10\0\0\0\0\0\xff"
_LEVEL = 6


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def text_of(value: Any) -> str:
    """Members in order, no space between: equal values have equal texts."""
    return _ENCODER.encode(value)


def canonical(value: Any) -> bytes:
    """The same in UTF-8: equal values have equal bytes, and equal digests."""
    return encoded(text_of(value))


def encoded(text: str) -> bytes:
    """In UTF-8; half a surrogate pair, which some files have, becomes a question mark."""
    return text.encode("utf-8", "replace")


def object_text(members: Mapping[str, str]) -> str:
    """The canonical text of an object whose members have these texts. Their names need no escapes."""
    return "{" + ",".join([f'"{name}":{members[name]}' for name in sorted(members)]) + "}"


def compressed(content: bytes, comment: str = "") -> bytes:
    """In gzip format without a time and a file name, so that it depends on the content alone."""
    deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflater.compress(content) + deflater.flush()
    tail = zlib.crc32(content).to_bytes(4, "little") + (len(content) & 0xFFFFFFFF).to_bytes(4, "little")
    return _HEAD + comment.encode() + b"\0" + body + tail


COMMENT_LENGTH = len(_HEAD) + 64


def comment_of(head: bytes) -> str:
    """What a derived file says that it is made of, by its first COMMENT_LENGTH bytes; "" if it says nothing."""
    return head[len(_HEAD) : COMMENT_LENGTH].decode("latin-1") if head.startswith(_HEAD[:4]) else ""


def decompressed(content: bytes, name: str = "") -> Any:
    """The value of a file whose uncompressed content has the digest `name`, if one is given. Raises Damaged."""
    try:
        text = gzip.decompress(content)
        value = json.loads(text)
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise Damaged(f"{name or 'a derived file'} cannot be read") from error
    if name and digest(text) != name:
        raise Damaged(f"{name} has not the content that it is named by")
    return value
