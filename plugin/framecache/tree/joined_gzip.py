"""One gzip file joined of compressed blocks, so that a list of many studies changes without being compressed anew.

A gzip member's body is a row of deflate blocks (RFC 1951 section 3.2.3). Blocks that end on a full flush depend on
nothing before them, and can be exchanged; the table of them is in the header's extra field (RFC 1952 section 2.3.1.1),
which readers skip.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import xxhash

_HEAD = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff"
_ROW = struct.Struct("<B16sL")  # shard, the beginning of its digest, bytes
_SUBFIELD = b"FS"
_LENGTH = struct.Struct("<H")
_TABLE = len(_HEAD) + _LENGTH.size + len(_SUBFIELD) + _LENGTH.size
_LEVEL = 6
_BEGIN, _SEPARATOR, _END = b"[", b",\n", b"]"
_FLUSHED = b"\0\0\xff\xff"  # an empty stored block, without its first bits


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


class _Proof(NamedTuple):
    """Of the text up to the end of a block: the checksum of the block, the CRC-32 of the text, and its length."""

    block: int
    crc: int
    length: int


class Joiner:
    """Joins blocks again and again. What stands before the first block that changed is not read again."""

    def __init__(self) -> None:
        self._proofs: list[_Proof] = []

    def join(self, blocks: Mapping[int, Block]) -> bytes:
        """The file of a JSON array of all that the blocks, up to 256 by their shards, have. Raises zlib.error if one is
        damaged."""
        in_order = sorted(blocks.items())
        rows = b"".join(_ROW.pack(shard, block.name, len(block.content)) for shard, block in in_order)
        subfield = _SUBFIELD + _LENGTH.pack(len(rows)) + rows
        contents, separator = [block.content for _, block in in_order], _compressed(_SEPARATOR)
        between = chain.from_iterable((separator, content) for content in contents)
        end = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS).flush()
        body = b"".join((_compressed(_BEGIN), *list(between)[1:], _compressed(_END), end))
        tail = self._tail(contents)
        return b"".join((_HEAD, _LENGTH.pack(len(subfield)), subfield, body, tail))

    def _tail(self, contents: Sequence[bytes]) -> bytes:
        """Reading the text costs a tenth of compressing it, and shows that it can be read."""
        self._proofs = proofs = list(_proofs(contents, self._proofs))
        _, crc, length = proofs[-1] if proofs else _Proof(0, zlib.crc32(_BEGIN), len(_BEGIN))
        return struct.pack("<LL", zlib.crc32(_END, crc), (length + len(_END)) & 0xFFFFFFFF)


def _proofs(contents: Sequence[bytes], known: Sequence[_Proof]) -> Iterator[_Proof]:
    """One for each block; those that are `known`, as long as the blocks are the same."""
    before, crc, length = _BEGIN, 0, 0
    for number, content in enumerate(contents):
        checksum = xxhash.xxh3_64_intdigest(content)
        known = known if known[number : number + 1] and known[number].block == checksum else ()
        if known:
            proof = known[number]
        else:
            text = before + _inflated(content)
            proof = _Proof(checksum, zlib.crc32(text, crc), length + len(text))
        yield proof
        before, crc, length = _SEPARATOR, proof.crc, proof.length


def _inflated(content: bytes) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    text = inflater.decompress(content)
    if inflater.eof or not content.endswith(_FLUSHED):
        raise zlib.error("a block ends too early")
    return text


def split(content: bytes) -> dict[int, Block]:
    """The blocks of a file that `join` made, by shard; none if it is another file."""
    if len(content) < _TABLE or not content.startswith(_HEAD[:4]) or content[_TABLE - 4 : _TABLE - 2] != _SUBFIELD:
        return {}
    [size] = _LENGTH.unpack_from(content, _TABLE - _LENGTH.size)
    position, between = _TABLE + size + len(_compressed(_BEGIN)), len(_compressed(_SEPARATOR))
    blocks: dict[int, Block] = {}
    for shard, name, length in _ROW.iter_unpack(content[_TABLE : _TABLE + size - size % _ROW.size]):
        blocks[shard] = Block(name, content[position : position + length])
        position += length + between
    return blocks


def _compressed(text: bytes) -> bytes:
    deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflater.compress(text) + deflater.flush(zlib.Z_FULL_FLUSH)
