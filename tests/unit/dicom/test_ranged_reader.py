"""Reading by ranges: the same bytes as of a file, few requests, and another reader where they fail."""

from __future__ import annotations

import pytest
from framecache.dicom.byte_reader import MemoryReader
from framecache.dicom.pixel_data import locate_frames
from framecache.dicom.ranged_reader import FallbackReader, OutOfReach, RangedReader
from framecache.errors import SourceError
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dicom_files import EXPLICIT, JPEG_2000, encapsulated, native

CONTENT = bytes(range(256)) * 40
AHEAD = 512


class Elsewhere:
    """Bytes that are had by request."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.content = content
        self.requests: list[tuple[int, int]] = []
        self.is_broken = False

    def fetch(self, start: int, end: int) -> memoryview:
        self.requests.append((start, end))
        if self.is_broken:
            raise OutOfReach("broken")
        return memoryview(self.content)[start:end]

    def reader(self, ahead: int = AHEAD) -> RangedReader:
        return RangedReader(self.fetch, len(self.content), ahead=ahead)

    @property
    def bytes_read(self) -> int:
        return sum(end - start for start, end in self.requests)


@given(st.lists(st.tuples(st.integers(0, len(CONTENT) + 10), st.integers(0, 3000)), max_size=20))
def test_bytes_are_those_that_lie_there_in_whatever_order_they_are_read(reads: list[tuple[int, int]]) -> None:
    elsewhere = Elsewhere()
    reader = elsewhere.reader()

    for offset, length in reads:
        assert reader.read_at(offset, length) == CONTENT[offset : offset + length]
        if offset + length <= len(CONTENT):
            target = bytearray(length)
            reader.read_into(offset, memoryview(target))
            assert bytes(target) == CONTENT[offset : offset + length]
    assert all(start < end <= len(CONTENT) for start, end in elsewhere.requests)


def test_what_lies_close_together_takes_one_request_and_a_frame_one_of_its_own() -> None:
    elsewhere = Elsewhere()
    reader = elsewhere.reader()

    reader.read_at(0, 100)
    reader.read_at(100, 8)
    reader.read_into(5000, memoryview(bytearray(4000)))

    assert elsewhere.requests == [(0, AHEAD), (5000, 9000)]


def test_more_is_read_ahead_where_reads_follow_each_other() -> None:
    elsewhere = Elsewhere(bytes(1 << 20))
    reader = elsewhere.reader()

    for position in range(0, 1 << 20, 256):
        reader.read_at(position, 8)

    assert len(elsewhere.requests) < 20


def test_reading_past_the_end_is_an_error_and_no_request() -> None:
    elsewhere = Elsewhere()

    with pytest.raises(SourceError, match="ends before"):
        elsewhere.reader().read_into(len(CONTENT) - 1, memoryview(bytearray(2)))
    assert elsewhere.requests == []


def test_a_range_that_comes_incomplete_is_out_of_reach() -> None:
    reader = RangedReader(lambda start, end: memoryview(bytes(end - start - 1)), 1000)

    with pytest.raises(OutOfReach, match="incomplete"):
        reader.read_at(0, 10)


FRAME = 100_000
FILES = {
    "native": (native(bytes(8 * FRAME), Rows=FRAME // 100, Columns=100, NumberOfFrames=8), EXPLICIT, 1),
    "encapsulated": (
        encapsulated(
            [
                b"".join(i.to_bytes(4, "little") for i in range(0, 8 * (FRAME + 8), FRAME + 8)),
                *[b"\xff\x4f\xff\x51" + bytes(FRAME - 4)] * 8,
            ],
            NumberOfFrames=8,
        ),
        JPEG_2000,
        5,
    ),
}


@pytest.mark.parametrize("kind", FILES)
def test_one_frame_takes_header_offset_table_and_itself(kind: str) -> None:
    content, syntax, most = FILES[kind]
    elsewhere = Elsewhere(content)
    reader = elsewhere.reader(ahead=4096)

    place = locate_frames(reader, syntax, None).place(5, reader)
    header_requests = len(elsewhere.requests)
    place.read_into(reader, memoryview(bytearray(place.length)))

    assert place.length == FRAME
    assert len(elsewhere.requests) == header_requests + 1
    assert header_requests <= most
    assert elsewhere.requests[-1][1] - elsewhere.requests[-1][0] == FRAME


def test_another_reader_is_used_from_the_first_fault_on() -> None:
    elsewhere = Elsewhere()
    reasons: list[str] = []

    def instead(error: OutOfReach) -> MemoryReader:
        reasons.append(str(error))
        return MemoryReader(CONTENT)

    reader = FallbackReader(elsewhere.reader(), instead)
    assert reader.read_at(0, 10) == CONTENT[:10]
    elsewhere.is_broken = True

    target = bytearray(2000)
    reader.read_into(3000, memoryview(target))
    assert bytes(target) == CONTENT[3000:5000]
    assert reader.read_at(1000, 10) == CONTENT[1000:1010]
    assert reasons == ["broken"]
    assert len(elsewhere.requests) == 2
