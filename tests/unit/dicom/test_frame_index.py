"""A frame table as bytes: the same table comes back, or an error; never another file's, and never a wrong place."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from framecache.dicom.byte_reader import ByteReader, MemoryReader
from framecache.dicom.frame_index import BrokenIndex, pack, unpack
from framecache.dicom.frame_table import Extent, Extents, FrameTable
from framecache.dicom.pixel_data import locate_frames
from framecache.errors import HandOver
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dicom_files import EXPLICIT, JPEG_2000, encapsulated, native
from tests.unit.fakes import UUID, uuid

SOC = b"\xff\x4f\xff\x51"
FILES = {
    "native": (native(bytes(range(72))), EXPLICIT),
    "a fragment per frame": (encapsulated([b"", SOC + b"aa", SOC + b"bbbb", SOC]), JPEG_2000),
    "several": (encapsulated([b"", SOC + b"aa", b"bbbb", SOC + b"c", b"", SOC]), JPEG_2000),
}


@dataclass(frozen=True)
class Table:
    """Any frames in any places."""

    header_length: int
    frames: tuple[tuple[Extent, ...], ...]

    @property
    def number_of_frames(self) -> int:
        return len(self.frames)

    @property
    def frames_present(self) -> int:
        return len(self.frames)

    def place(self, frame_index: int, reader: ByteReader) -> Extents:  # noqa: ARG002
        return Extents(self.frames[frame_index])


NOTHING = MemoryReader(b"")


def frames_of(table: FrameTable, reader: ByteReader = NOTHING) -> list[tuple[Extent, ...]]:
    places = [table.place(index, reader) for index in range(table.number_of_frames)]
    return [place.runs for place in places if isinstance(place, Extents)]


@pytest.mark.parametrize("name", FILES)
def test_the_table_of_a_file_comes_back(name: str) -> None:
    content, syntax = FILES[name]
    reader = MemoryReader(content)
    table = locate_frames(reader, syntax, None)

    found = unpack(pack(table, reader, UUID), UUID, len(content))

    assert frames_of(found) == frames_of(table, reader)
    assert found.header_length == table.header_length


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(native(bytes(70)), id="a frame is missing"),
        pytest.param(native(bytes(4), BitsAllocated=1, Rows=3, Columns=3), id="bits within bytes"),
    ],
)
def test_frames_that_are_not_sent_as_they_lie_are_not_indexed(content: bytes) -> None:
    reader = MemoryReader(content)

    with pytest.raises(HandOver, match="nothing to index"):
        pack(locate_frames(reader, EXPLICIT, None), reader, UUID)


extents = st.builds(Extent, st.integers(200, 2**40), st.integers(0, 2**32 - 1))


@given(st.lists(st.lists(extents, min_size=1, max_size=4).map(tuple), min_size=1, max_size=20).map(tuple))
def test_any_table_comes_back_wherever_its_runs_lie(frames: tuple[tuple[Extent, ...], ...]) -> None:
    found = unpack(pack(Table(200, frames), NOTHING, UUID), UUID, 2**41)

    assert frames_of(found) == list(frames)


def test_it_is_small_though_the_slide_be_large() -> None:
    """100,000 tiles of about 32 kB: some bytes for each, of which the lengths are most."""
    ends = range(1000, 1000 + 100_000 * 33_000, 33_000)
    frames = tuple((Extent(end, 32_000 + (end * 7919) % 990),) for end in ends)

    content = pack(Table(900, frames), NOTHING, UUID)

    assert len(content) < 600_000
    assert frames_of(unpack(content, UUID, 2**40)) == list(frames)


@given(st.data())
def test_a_changed_byte_is_seen(data: st.DataObject) -> None:
    content = bytearray(pack(Table(200, ((Extent(200, 10),), (Extent(210, 10),))), NOTHING, UUID))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises(BrokenIndex):
        unpack(bytes(content), UUID, 1000)


@pytest.mark.parametrize("length", [0, 1, 20, 47, 48, -1])
def test_an_index_that_is_cut_short_is_seen(length: int) -> None:
    content = pack(Table(200, ((Extent(200, 10),),)), NOTHING, UUID)

    with pytest.raises(BrokenIndex):
        unpack(content[:length], UUID, 1000)


def test_the_index_of_another_file_is_not_taken() -> None:
    with pytest.raises(BrokenIndex, match="another file"):
        unpack(pack(Table(200, ((Extent(200, 10),),)), NOTHING, uuid(1)), UUID, 1000)


@pytest.mark.parametrize(
    "frames",
    [((Extent(200, 801),),), ((Extent(999, 2),), (Extent(200, 1),)), ((Extent(199, 1),),), ((),), ()],
    ids=["too long", "past the end", "in the header", "a frame of nothing", "no frames"],
)
def test_what_points_outside_of_its_file_is_not_taken(frames: tuple[tuple[Extent, ...], ...]) -> None:
    with pytest.raises(BrokenIndex, match="outside"):
        unpack(pack(Table(200, frames), NOTHING, UUID), UUID, 1000)
