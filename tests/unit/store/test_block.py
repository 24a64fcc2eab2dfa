"""Blocks: what was written is read back, and nothing else ever is."""

from __future__ import annotations

from pathlib import Path

import pytest
from framecache.store.block import Block, BlockGone, BrokenBlock, header_length, pack_header, unpack_header
from framecache.store.disk.blocks import BlockFile
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.blocks import read_frame

KEY = "f/1c4e8b2a-0f37-4b5e-9d61-3a7f2c8e5b90/1.2.840.10008.1.2.1/7-3"
FRAMES = {7: b"seven" * 9, 8: b"", 9: bytes(range(256))}


def write(path: Path, frames: dict[int, bytes] = FRAMES, key: str = KEY) -> Path:
    views = {number: memoryview(content) for number, content in frames.items()}
    path.write_bytes(b"".join([pack_header(key, views), *frames.values()]))
    return path


def block_in(path: Path, key: str = KEY, first: int = 7, count: int = len(FRAMES)) -> Block:
    return Block(key, "", first, count, 0, BlockFile(str(path)))


def read(path: Path, key: str = KEY, count: int = len(FRAMES)) -> dict[int, bytes]:
    """All frames of a block, checked as a request checks them."""
    block = block_in(path, key, 7, count)
    block.verify()
    return {number: read_frame(block, number) for number in block.frame_numbers}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("blocks")


@given(st.integers(1, 2**32 - 100), st.lists(st.binary(max_size=100), min_size=1, max_size=20), st.text())
def test_what_was_written_is_read_back(folder: Path, first: int, contents: list[bytes], key: str) -> None:
    block = block_in(write(folder / "any", dict(enumerate(contents, first)), key), key, first, len(contents))
    block.verify()

    assert [read_frame(block, number) for number in block.frame_numbers] == contents


@given(st.dictionaries(st.integers(1, 2**32 - 1), st.binary(max_size=100), min_size=1, max_size=20), st.text())
def test_the_header_says_where_each_frame_lies(frames: dict[int, bytes], key: str) -> None:
    header = pack_header(key, {number: memoryview(content) for number, content in frames.items()})
    block = b"".join([header, *frames.values()])
    found = unpack_header(header, key, len(frames))

    assert {number: block[one.offset : one.offset + one.length] for number, one in found.items()} == frames


@pytest.mark.parametrize("count", [1, 2, 300])
def test_the_header_is_as_long_as_it_says(count: int) -> None:
    assert len(pack_header(KEY, {n: memoryview(b"x") for n in range(1, count + 1)})) == header_length(count)


@pytest.mark.parametrize(
    ("key", "count"),
    [
        (KEY.replace("7-3", "8-3"), 3),
        (KEY.replace("1.2.1", "1.2"), 3),
        (KEY.replace("1c4e", "1c4f"), 3),
        ("", 3),
        (KEY, 2),
        (KEY, 4),
        (KEY, 100_000),
    ],
)
def test_a_block_of_other_frames_is_broken(tmp_path: Path, key: str, count: int) -> None:
    with pytest.raises(BrokenBlock):
        read(write(tmp_path / "block"), key, count)


@settings(max_examples=300)
@given(st.data())
def test_one_flipped_bit_is_always_found(folder: Path, data: st.DataObject) -> None:
    path = write(folder / "flipped")
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)

    with pytest.raises(BrokenBlock):
        read(path)


@settings(max_examples=100)
@given(st.data())
def test_a_block_cut_short_or_zeroed_from_some_byte_is_always_found(folder: Path, data: st.DataObject) -> None:
    path = write(folder / "cut")
    content = path.read_bytes()
    position = data.draw(st.integers(0, len(content) - 1))
    rest = data.draw(st.sampled_from([b"", b"\xaa" * (len(content) - position)]))
    path.write_bytes(content[:position] + rest)

    with pytest.raises(BrokenBlock):
        read(path)


def test_a_frame_changed_behind_a_header_that_was_read_before_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "block")
    block = block_in(path)
    assert block.frame_length(9) == 256
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"\x00")

    with pytest.raises(BrokenBlock, match="damaged"):
        read_frame(block, 9)
    with pytest.raises(BrokenBlock, match="damaged"):
        block.verify()
    assert read_frame(block, 7) == FRAMES[7]


def test_a_header_changed_behind_one_that_was_read_before_is_found_by_verification(tmp_path: Path) -> None:
    path = write(tmp_path / "block")
    block = block_in(path)
    assert read_frame(block, 9) == FRAMES[9]
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)

    assert read_frame(block, 9) == FRAMES[9]
    with pytest.raises(BrokenBlock, match="header"):
        block.verify()


def test_a_frame_that_the_block_lacks_is_not_read(tmp_path: Path) -> None:
    block = block_in(write(tmp_path / "block"), first=8)
    with pytest.raises(BrokenBlock, match="other frames"):
        block.frame_length(10)
    with pytest.raises(BrokenBlock, match="other frames"):
        block.verify()


def test_blocks_are_equal_whether_their_headers_were_read_or_not(tmp_path: Path) -> None:
    path = write(tmp_path / "block")
    read_before, new = block_in(path), block_in(path)
    read_frame(read_before, 7)

    assert (read_before, hash(read_before)) == (new, hash(new))
    assert new != block_in(write(tmp_path / "other"))


def test_a_block_that_is_gone_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(BlockGone):
        read_frame(block_in(tmp_path / "block"), 7)


@pytest.mark.parametrize("what", ["missing", "folder", "empty", "below a file"])
def test_what_is_no_file_is_a_broken_block(tmp_path: Path, what: str) -> None:
    path = tmp_path / "block"
    if what == "folder":
        path.mkdir()
    elif what == "empty":
        path.touch()
    elif what == "below a file":
        path.touch()
        path = path / "block"

    with pytest.raises(BrokenBlock):
        read(path)
