"""Deflated data sets: what they grow to is counted while it grows, for all that are open together."""

from __future__ import annotations

import time
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from framecache.dicom.byte_reader import MemoryReader
from framecache.dicom.data_set import end_of_file_meta
from framecache.dicom.deflated import readable
from framecache.errors import BrokenPixelData, FrameCacheError, HandOver, Overloaded, UnreadableHeader
from framecache.shared_buffers import SharedBuffers
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dicom_files import DEFLATED, EXPLICIT, native

MEGABYTE = 1 << 20
FILE = native(bytes(range(72)), DEFLATED)
INFLATED_META = 128 + 4 + 12 + 8 + 20  # preamble, DICM, group length, transfer syntax UID
META = FILE[: end_of_file_meta(FILE)]


def deflated(data_set: bytes) -> MemoryReader:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return MemoryReader(META + packer.compress(data_set) + packer.flush())


def inflate(contents: SharedBuffers, reader: MemoryReader, key: str = "an instance") -> bytes:
    with readable(reader, DEFLATED, contents, key) as inflated:
        return inflated.read_at(INFLATED_META, inflated.size)


@given(st.binary(max_size=2000), st.integers(1, 3000))
def test_what_was_deflated_comes_back(piece: bytes, times: int) -> None:
    contents = SharedBuffers(10 * MEGABYTE)

    data_set = bytes(range(16)) + piece * times  # whose stream is longer than an element's head
    assert inflate(contents, deflated(data_set)) == data_set
    assert contents.taken == 0


def test_others_are_read_as_they_are() -> None:
    reader = MemoryReader(native(bytes(72)))

    with readable(reader, EXPLICIT, SharedBuffers(1), "an instance") as same:
        assert same is reader


def test_a_bomb_takes_no_more_than_the_limit() -> None:
    bomb, contents = deflated(bytes(200 * MEGABYTE)), SharedBuffers(16 * MEGABYTE)
    assert bomb.size < MEGABYTE
    tracemalloc.start()
    try:
        with pytest.raises(HandOver, match="too large"):
            inflate(contents, bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 48 * MEGABYTE
    assert contents.taken == 0


def test_many_at_once_share_the_limit_and_give_back_what_they_took() -> None:
    contents = SharedBuffers(10 * MEGABYTE)
    with readable(deflated(bytes(6 * MEGABYTE)), DEFLATED, contents, "another"):
        with pytest.raises(Overloaded):
            inflate(contents, deflated(bytes(6 * MEGABYTE)))
        assert len(inflate(contents, deflated(bytes(3 * MEGABYTE)))) == 3 * MEGABYTE

    assert contents.taken == 0
    assert len(inflate(contents, deflated(bytes(6 * MEGABYTE)))) == 6 * MEGABYTE


MANY = 20


class PatientReader(MemoryReader):
    """Counts how often it is read from its beginning, which takes until all have come."""

    reads, contents = 0, SharedBuffers(3 * MEGABYTE)

    def read_at(self, offset: int, length: int) -> bytes:
        if offset == 0:
            self.reads += 1
            give_up = time.monotonic() + 60
            while self.contents.users < MANY:
                assert time.monotonic() < give_up
                time.sleep(0.001)
        return super().read_at(offset, length)

    def attempt(self, _: int) -> int | str:
        try:
            return len(inflate(self.contents, self))
        except BrokenPixelData as error:
            return str(error)

    def many(self) -> set[int | str]:
        with ThreadPoolExecutor(MANY) as pool:
            return set(pool.map(self.attempt, range(MANY)))


def test_those_who_read_one_instance_at_once_share_one_copy() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    reader = PatientReader(META + packer.compress(bytes(2 * MEGABYTE)) + packer.flush())

    assert reader.many() == {2 * MEGABYTE}
    assert (reader.reads, reader.contents.taken) == (1, 0)


def test_a_failure_is_told_to_all_who_wait_and_then_forgotten() -> None:
    broken = PatientReader(META + b"\xff" * 100)

    assert broken.many() == {"the deflated data set is damaged"}
    assert (broken.reads, broken.contents.taken) == (1, 0)
    assert len(inflate(broken.contents, deflated(bytes(range(16))))) == 16


@given(st.binary(max_size=300))
def test_any_stream_is_inflated_or_refused(stream: bytes) -> None:
    contents = SharedBuffers(MEGABYTE)
    try:
        inflate(contents, MemoryReader(META + stream))
    except FrameCacheError as error:
        assert isinstance(error, BrokenPixelData | HandOver | UnreadableHeader)  # noqa: PT017 - either of them, or none

    assert contents.taken == 0
