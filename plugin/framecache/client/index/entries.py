"""Entries of an index as rows that other programs read: flat, of text and whole numbers, one for each instance.

The attributes are text as the file has it, several values between backslashes. `frame_offsets` and `frame_lengths` have
for each frame those of its runs of bytes: one, or several where a frame lies in fragments (PS3.5 section A.4).
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from pathlib import PurePosixPath
from typing import Any

from framecache.client.index.reading import Record
from framecache.client.index.schema import VERSION, stored_attributes
from framecache.dicom import frame_index
from framecache.dicom.byte_reader import MemoryReader
from framecache.dicom.frame_index import BrokenIndex, IndexedFrames
from framecache.dicom.frame_table import Extent
from framecache.dicomweb.attributes import Level
from framecache.errors import BadRequest

TEXTS = ("path", "version", "TransferSyntaxUID")
NUMBERS = ("size", "pixel_data_offset", "index_version")
LISTS = ("frame_offsets", "frame_lengths")
ATTRIBUTES = tuple(one for level in Level for one in stored_attributes(level))
COLUMNS = (*TEXTS, *NUMBERS, *LISTS, *(one.keyword for one in ATTRIBUTES))
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_LARGEST = (1 << 63) - 1
_NOTHING = MemoryReader(b"")  # what a whole table reads

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """An instance, the file that it is in, relative to the folder, and that file's size in bytes and version."""

    location: str
    size: int
    version: str
    record: Record


def row_of(entry: Entry) -> Row:
    """The row of an entry, with all of COLUMNS; None where there is no value."""
    record, places = entry.record, _places(entry)
    values = {one.keyword: record.values.get(one.keyword) for one in ATTRIBUTES}
    return {
        "path": entry.location,
        "version": entry.version,
        "TransferSyntaxUID": record.transfer_syntax_uid,
        "size": entry.size,
        "pixel_data_offset": record.pixel_data_offset,
        "index_version": VERSION,
        "frame_offsets": places and [[run.offset for run in runs] for runs in places],
        "frame_lengths": places and [[run.length for run in runs] for runs in places],
        **{keyword: None if value is None else str(value) for keyword, value in values.items()},
    }


def entry_of(row: Mapping[str, Any]) -> Entry:
    """The entry of a row. Raises BadRequest unless it is a whole row of this version, of a path below the folder."""
    if not isinstance(row, Mapping) or any(name not in row for name in COLUMNS):
        raise BadRequest("a row of the index lacks columns")
    if row["index_version"] != VERSION:
        raise BadRequest("the index was exported by another version of this package: export it again")
    size, offset = _number(row["size"]), row["pixel_data_offset"]
    values = {one.keyword: _text(row[one.keyword]) for one in ATTRIBUTES if row[one.keyword] is not None}
    if not all(values.get(uid) for uid in _UIDS):
        raise BadRequest("a row of the index lacks a UID")
    _check_items(values)
    record = Record(
        values, _text(row["TransferSyntaxUID"]), None if offset is None else _number(offset, size), _packed(row, size)
    )
    return Entry(_location(row["path"]), size, _text(row["version"]), record)


def renamed(entry: Entry, version: str) -> Entry:
    """The entry of the same bytes in a file of another version."""
    packed = entry.record.frame_index
    if packed is not None:
        table = frame_index.unpack(packed, entry.version, entry.size)
        packed = frame_index.pack(table, _NOTHING, version)
    return replace(entry, version=version, record=replace(entry.record, frame_index=packed))


def _places(entry: Entry) -> list[tuple[Extent, ...]] | None:
    """The runs of each frame; None where they are not known, or are those of an inflated file."""
    record = entry.record
    if record.frame_index is None:
        return None
    try:
        table = frame_index.unpack(record.frame_index, entry.version, entry.size)
    except BrokenIndex:
        return None
    if table.header_length != record.pixel_data_offset:
        return None
    return [table.extents(index) for index in range(table.number_of_frames)]


def _packed(row: Mapping[str, Any], size: int) -> bytes | None:
    offsets, lengths = row["frame_offsets"], row["frame_lengths"]
    if offsets is None:
        return None
    try:
        counts = [len(one) for one in offsets]
        if counts != [len(one) for one in lengths]:
            raise BadRequest("a row of the index has other offsets than lengths of frames")
        first = array("I", accumulate(counts, initial=0))
        runs = array("Q", chain.from_iterable(offsets)), array("I", chain.from_iterable(lengths))
        packed = frame_index.pack(
            IndexedFrames(_number(row["pixel_data_offset"]), *runs, first), _NOTHING, row["version"]
        )
        frame_index.unpack(packed, row["version"], size)
    except (TypeError, ValueError, OverflowError, AttributeError, BrokenIndex) as error:
        raise BadRequest("a row of the index has frames that cannot be in its file") from error
    return packed


def _location(path: Any) -> str:
    """What lies elsewhere is not of the collection, whoever wrote the row."""
    text = _text(path)
    pure = PurePosixPath(text)
    if not text or "\0" in text or pure.is_absolute() or ".." in pure.parts or str(pure) != text or text == ".":
        raise BadRequest("a path in the index is not one below its folder")
    return text


def _text(value: Any) -> str:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise BadRequest("a text in the index is not Unicode") from error
        return value
    raise BadRequest("a text in the index is none")


def _number(value: Any, most: int = _LARGEST) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
        return value
    raise BadRequest("a number in the index is none, or too large")


def _check_items(values: Mapping[str, str]) -> None:
    """Searches read the items of sequences as they are."""
    for one in ATTRIBUTES:
        if one.vr == "SQ" and one.keyword in values and not _are_items(values[one.keyword]):
            raise BadRequest("a sequence in the index is not in DICOM JSON")


def _are_items(text: str) -> bool:
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(items, list) and all(
        isinstance(item, dict)
        and all(isinstance(one, dict) and isinstance(one.get("Value", []), list) for one in item.values())
        for item in items
    )
