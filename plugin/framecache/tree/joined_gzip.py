"""One gzip file joined of compressed blocks, so that a list of many studies changes without being compressed anew.

A gzip member's body is a row of deflate blocks (RFC 1951 section 3.2.3). Blocks that end on a full flush depend on
nothing before them, and can be exchanged; the table of them is in the header's extra field (RFC 1952 section 2.3.1.1),
which readers skip.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

_HEAD = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff"
_ROW = struct.Struct("<B16sL")  # shard, the beginning of its digest, bytes
_SUBFIELD = b"FS"
_LENGTH = struct.Struct("<H")
_TABLE = len(_HEAD) + _LENGTH.size + len(_SUBFIELD) + _LENGTH.size
_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of one shard, compressed; `name` is the beginning of the digest of what they are made of."""

    name: bytes
    content: bytes

    @classmethod
    def of(cls, name: str, text: bytes) -> Block:
        """Of `text`, one or more JSON values with commas between."""
        return cls(block_name(name), _compressed(text))


def block_name(name: str) -> bytes:
    """The part of a digest in hexadecimal that a block has."""
    return bytes.fromhex(name)[:16]


def join(blocks: Mapping[int, Block]) -> bytes:
    """The file of a JSON array of all that the blocks, up to 256 by their shards, have."""
    rows = b"".join(_ROW.pack(shard, block.name, len(block.content)) for shard, block in sorted(blocks.items()))
    subfield = _SUBFIELD + _LENGTH.pack(len(rows)) + rows
    contents, separator = (block.content for _, block in sorted(blocks.items())), _compressed(b",\n")
    between = chain.from_iterable((separator, content) for content in contents)
    end = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS).flush()
    body = b"".join((_compressed(b"["), *list(between)[1:], _compressed(b"]"), end))
    # Reading it again costs a tenth of compressing it, and shows that it can be read.
    text = zlib.decompress(body, -zlib.MAX_WBITS)
    tail = struct.pack("<LL", zlib.crc32(text), len(text) & 0xFFFFFFFF)
    return b"".join((_HEAD, _LENGTH.pack(len(subfield)), subfield, body, tail))


def split(content: bytes) -> dict[int, Block]:
    """The blocks of a file that `join` made, by shard; none if it is another file."""
    if not content.startswith(_HEAD[:4]) or content[_TABLE - 4 : _TABLE - 2] != _SUBFIELD:
        return {}
    [size] = _LENGTH.unpack_from(content, _TABLE - _LENGTH.size)
    position, between = _TABLE + size + len(_compressed(b"[")), len(_compressed(b",\n"))
    blocks: dict[int, Block] = {}
    for shard, name, length in _ROW.iter_unpack(content[_TABLE : _TABLE + size - size % _ROW.size]):
        blocks[shard] = Block(name, content[position : position + length])
        position += length + between
    return blocks


def _compressed(text: bytes) -> bytes:
    deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflater.compress(text) + deflater.flush(zlib.Z_FULL_FLUSH)
