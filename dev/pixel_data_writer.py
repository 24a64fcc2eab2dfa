"""Writing a multi-frame file frame by frame, so that one frame at a time is in memory (PS3.5 A.4, PS3.10 7.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Literal

from pydicom import Dataset, dcmwrite
from pydicom.encaps import itemize_frame

OffsetTable = Literal["basic", "extended", "none"]

BYTE = 8  # bits
PIXEL_DATA = struct.pack("<HH", 0x7FE0, 0x0010)
ITEM = struct.pack("<HH", 0xFFFE, 0xE000)
SEQUENCE_DELIMITER = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


def write_native(path: Path, dataset: Dataset, frames: Iterable[bytes], frame_length: int) -> None:
    """Write `dataset` with native Pixel Data of NumberOfFrames frames of `frame_length` bytes each."""
    length = frame_length * int(dataset.NumberOfFrames)
    implicit = dataset.file_meta.TransferSyntaxUID.is_implicit_VR
    representation = b"" if implicit else (b"OW" if dataset.BitsAllocated > BYTE else b"OB") + b"\0\0"
    dcmwrite(path, dataset, enforce_file_format=True)
    with path.open("ab") as stream:
        stream.write(PIXEL_DATA + representation + struct.pack("<L", length + length % 2))
        for frame in frames:
            stream.write(frame)
        stream.write(b"\0" * (length % 2))


def write_encapsulated(
    path: Path, dataset: Dataset, frames: Iterable[bytes], offset_table: OffsetTable, fragments_per_frame: int
) -> None:
    """Write `dataset` with encapsulated Pixel Data; extended tables (PS3.3 C.7.6.3.1.8) need one fragment a frame."""
    number = int(dataset.NumberOfFrames)
    if offset_table == "extended":
        # Of the right length; the values are known only when the frames have been written.
        dataset.ExtendedOffsetTable = dataset.ExtendedOffsetTableLengths = bytes(8 * number)
    dcmwrite(path, dataset, enforce_file_format=True)
    with path.open("r+b") as stream:
        end = stream.seek(0, 2)
        basic = 4 * number if offset_table == "basic" else 0
        stream.write(PIXEL_DATA + b"OB\0\0\xff\xff\xff\xff" + ITEM + struct.pack("<L", basic) + bytes(basic))
        offsets, lengths = _write_items(stream, frames, fragments_per_frame)
        stream.write(SEQUENCE_DELIMITER)
        if offset_table == "basic":
            _write_at(stream, end + 20, struct.pack(f"<{number}L", *offsets))
        if offset_table == "extended":
            _write_at(stream, end - 8 * number, struct.pack(f"<{number}Q", *lengths))
            _write_at(stream, end - 16 * number - 12, struct.pack(f"<{number}Q", *offsets))


def _write_items(stream: BinaryIO, frames: Iterable[bytes], fragments: int) -> tuple[list[int], list[int]]:
    """Write the frames' items; return where each begins behind the offset table, and its length without padding."""
    first, offsets, lengths = stream.tell(), [], []
    for frame in frames:
        offsets.append(stream.tell() - first)
        lengths.append(len(frame))
        for item in itemize_frame(frame, fragments):
            stream.write(item)
    return offsets, lengths


def _write_at(stream: BinaryIO, position: int, value: bytes) -> None:
    stream.seek(position)
    stream.write(value)
