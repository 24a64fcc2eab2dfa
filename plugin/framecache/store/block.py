"""A block of frames as its readers see it, wherever a store has its bytes."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Protocol

from framecache.store.block_format import BlockFrame, BrokenBlock, header_length, unpack_header
from framecache.store.checksum import checksum


class BlockContent(Hashable, Protocol):
    """The bytes of one block: a file, an object in a bucket, memory. Equal ones are the same block, written once."""

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill `target` with the bytes from `offset`. Raises BlockGone, BrokenBlock."""


@dataclass(frozen=True, slots=True)
class Block:
    """Frames `first` to `first + count - 1` of one version of an instance, in one representation.

    `key` names it in its store, `size` is the bytes of all of it. What is read is compared with its checksum.
    """

    key: str
    representation: str
    first: int
    count: int
    size: int
    content: BlockContent
    # Read once, and known from then on.
    _frames: dict[int, BlockFrame] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def frame_numbers(self) -> range:
        """The numbers of its frames."""
        return range(self.first, self.first + self.count)

    def frame_length(self, frame_number: int) -> int:
        """The bytes of one of its frames. Raises BrokenBlock."""
        return (self._frames.get(frame_number) or self._locate(frame_number)).length

    def read_into(self, frame_number: int, target: memoryview) -> None:
        """Fill `target`, which has the frame's length. Raises BrokenBlock where it is not what was written."""
        frame = self._frames.get(frame_number) or self._locate(frame_number)
        self.content.read_into(frame.offset, target)
        if checksum(target) != frame.checksum:
            raise BrokenBlock("the frame is damaged")

    def verify(self) -> None:
        """Read all of it anew, the header as well. Raises BrokenBlock where it is not what was written."""
        anew = replace(self)
        for number in self.frame_numbers:
            anew.read_into(number, memoryview(bytearray(anew.frame_length(number))))

    def _locate(self, frame_number: int) -> BlockFrame:
        header = bytearray(header_length(self.count))
        self.content.read_into(0, memoryview(header))
        self._frames.update(unpack_header(bytes(header), self.key, self.count))
        try:
            return self._frames[frame_number]
        except KeyError:
            raise BrokenBlock("the block has other frames than its row says") from None
