"""Pixel data of Explicit VR Big Endian, converted to Little Endian (PS3.5 section 7.3)."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from types import MappingProxyType

from framecache.dicom.byte_reader import Fills
from framecache.dicom.frame_table import FramePlace

# PS3.5 section 6.2: by VR. OW has 16-bit words, whether samples have 8 or 32 bits.
_WORD_SIZES = MappingProxyType({b"OW": 2, b"OF": 4, b"OL": 4, b"OD": 8, b"OV": 8})
_TYPES = MappingProxyType({2: "H", 4: "I", 8: "Q"})


def word_size_of(vr: bytes) -> int:
    """The size in bytes of the words to swap in a value of this VR; 1 if there are none."""
    return _WORD_SIZES.get(vr, 1)


@dataclass(frozen=True, slots=True)
class BigEndianWords:
    """A frame of pixel data in words of `size` bytes; the first word begins at byte `first` of the file.

    `place` is where the frame would lie in Little Endian. It may begin within a word: the bytes are swapped over the
    whole pixel data, not over a frame.
    """

    place: FramePlace
    first: int
    size: int

    @property
    def length(self) -> int:
        return self.place.length

    def read_into(self, reader: Fills, target: memoryview) -> None:
        self.place.read_into(_LittleEndian(reader, self.first, self.size), target)


@dataclass(frozen=True, slots=True)
class _LittleEndian:
    """The bytes of `reader`, with each word from byte `first` on swapped."""

    reader: Fills
    first: int
    word_size: int

    def read_into(self, offset: int, target: memoryview) -> None:
        before = (offset - self.first) % self.word_size
        count = -(-(before + len(target)) // self.word_size)
        words = array(_TYPES[self.word_size], bytes(self.word_size)) * count
        with memoryview(words).cast("B") as content:
            self.reader.read_into(offset - before, content)
        words.byteswap()
        target[:] = memoryview(words).cast("B")[before : before + len(target)]
