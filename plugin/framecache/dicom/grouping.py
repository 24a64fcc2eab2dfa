"""Groups fragments into frames, with an offset table that is right, wrong or missing (PS3.5 section A.4)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from framecache.dicom.byte_reader import ByteReader
from framecache.dicom.fragments import Fragments, read_fragments
from framecache.dicom.transfer_syntax import lookup
from framecache.errors import BrokenPixelData

_ITEM_HEADER = 8  # bytes
_LONGEST_START = 8
_BARE_JPEG_XL = (b"\xff\x0a",)
_JPEG_2000 = (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")
# How a frame's first fragment begins: JPEG and JPEG-LS SOI, JPEG 2000 SOC and SIZ, or the box that some leave before.
_STARTS: Mapping[str, tuple[bytes, ...]] = MappingProxyType(
    {
        "image/jpeg": (b"\xff\xd8",),
        "image/jls": (b"\xff\xd8",),
        "image/jp2": _JPEG_2000,
        "image/jpx": _JPEG_2000,
        "image/jphc": _JPEG_2000,
        # ISO/IEC 18181-2: a file of boxes; the two bytes of a bare code stream may begin any fragment.
        "image/jxl": (b"\0\0\0\x0cJXL ",),
        # PS3.5 section G.5: the number of segments, 15 at most, and the offset of the first, behind 64 bytes.
        "image/dicom-rle": tuple(struct.pack("<LL", segments, 64) for segments in range(1, 16)),
    }
)


@dataclass(frozen=True, slots=True)
class Grouping:
    """What is known of an instance's frames before its fragments are read.

    `table` has where each frame's first item begins, counted from `base`, where the first item is; it is empty where
    the instance has none, or one that cannot be right.
    """

    transfer_syntax_uid: str
    number_of_frames: int
    table: Sequence[int]
    base: int

    def of_all_fragments(self, reader: ByteReader) -> tuple[Fragments, Sequence[int]]:
        """The fragments, and which of them begin a frame; at last, which one is behind the last frame that is there.

        Raises BrokenPixelData where nothing tells them apart: it is never guessed.
        """
        fragments = read_fragments(reader, self.base)
        if not len(fragments):
            raise BrokenPixelData("the pixel data has no fragments, or none before its file ends")
        first = self._complete(reader, fragments) if fragments.are_delimited else None
        first = first or self._as_far_as_there(reader, fragments)
        if len(first) > 1:
            return fragments, first
        if not fragments.are_delimited:
            raise BrokenPixelData("the fragments end before their delimiter")
        raise BrokenPixelData("the fragments cannot be told apart into frames")

    def may_begin_frame(self, reader: ByteReader, item: int) -> bool:
        """Whether what a table says may be true of the item at this position: its fragment begins as a frame does."""
        starts = _STARTS.get(lookup(self.transfer_syntax_uid).media_type, ()) + _BARE_JPEG_XL
        return reader.read_at(item + _ITEM_HEADER, _LONGEST_START).startswith(starts)

    def _complete(self, reader: ByteReader, fragments: Fragments) -> Sequence[int] | None:
        """Where all frames are there. As many as fragments, or as begin like one: then a wrong table does no harm."""
        if self.number_of_frames == len(fragments):
            return range(len(fragments) + 1)
        starts = list(self._starts(reader, fragments))
        if len(starts) == self.number_of_frames and starts[0] == 0:
            return [*starts, len(fragments)]
        by_table = list(self._by_table(fragments))
        if self._has_too_many(starts, by_table):
            return starts[: self.number_of_frames + 1]
        is_complete = len(by_table) == len(self.table) == self.number_of_frames and by_table[-1] < len(fragments)
        if is_complete and set(starts) <= set(by_table):
            return [*by_table, len(fragments)]
        return (0, len(fragments)) if self.number_of_frames == 1 else self._but_for_empty_ones(fragments)

    def _has_too_many(self, starts: list[int], by_table: list[int]) -> bool:
        """Whether NumberOfFrames is too small: more fragments begin a frame, and no table of as many objects."""
        if len(starts) <= self.number_of_frames or starts[0] > 0:
            return False
        return len(self.table) != self.number_of_frames or by_table == starts[: self.number_of_frames]

    def _but_for_empty_ones(self, fragments: Fragments) -> Sequence[int] | None:
        """As many frames as there are fragments with something in them."""
        full = [i for i, length in enumerate(fragments.lengths) if length]
        return [0, *full[1:], len(fragments)] if len(full) == self.number_of_frames else None

    def _as_far_as_there(self, reader: ByteReader, fragments: Fragments) -> Sequence[int]:
        """Where the last frames are missing: those that the table ends, or of which each is one fragment."""
        if not self.table:
            return self._one_fragment_each(reader, fragments)
        by_table = self._by_table(fragments)[: self.number_of_frames + 1]
        if len(self.table) >= self.number_of_frames:
            return by_table if self._begin_as_frames(by_table, reader, fragments) else ()
        is_each_listed = fragments.are_delimited and list(by_table) == list(range(len(fragments)))
        return range(len(fragments) + 1) if is_each_listed and len(fragments) < self.number_of_frames else ()

    def _begin_as_frames(self, by_table: Sequence[int], reader: ByteReader, fragments: Fragments) -> bool:
        """Whether these fragments do, and none between them; the last one may be behind all that is there.

        A table of as many as there are frames may be all that tells. One of more may list each fragment.
        """
        starts, is_all = list(self._starts(reader, fragments)), len(self.table) == self.number_of_frames
        if is_all and not starts:
            return True
        if is_all or self._is_start(reader, fragments.end + _ITEM_HEADER):
            starts.append(len(fragments))
        return list(by_table) == starts[: len(by_table)]

    def _by_table(self, fragments: Fragments) -> Sequence[int]:
        """The fragments that the table's entries point at, up to the first that points behind all that is there.

        None of them where an entry points elsewhere: then the table is wrong.
        """
        positions = [*(offset - _ITEM_HEADER for offset in fragments.offsets), fragments.end]
        fragment_at = {position - self.base: i for i, position in enumerate(positions)}
        # The length of the last fragment is not certain where there is no delimiter behind it.
        certain = (positions[-1] if fragments.are_delimited else positions[-2]) - self.base
        first: list[int] = []
        for entry in self.table:
            if entry not in fragment_at:
                return first if entry > certain else ()
            first.append(fragment_at[entry])
        return first

    def _one_fragment_each(self, reader: ByteReader, fragments: Fragments) -> Sequence[int]:
        """Fewer fragments than frames, each of which begins as a frame does."""
        starts = list(self._starts(reader, fragments))
        if len(starts) != len(fragments) or len(fragments) > self.number_of_frames:
            return ()
        is_last_whole = fragments.are_delimited or self._is_start(reader, fragments.end + _ITEM_HEADER)
        return range(len(fragments) + is_last_whole)

    def _starts(self, reader: ByteReader, fragments: Fragments) -> Iterator[int]:
        return (i for i, offset in enumerate(fragments.offsets) if self._is_start(reader, offset))

    def _is_start(self, reader: ByteReader, offset: int) -> bool:
        starts = _STARTS.get(lookup(self.transfer_syntax_uid).media_type, ())
        return reader.read_at(offset, _LONGEST_START).startswith(starts)
