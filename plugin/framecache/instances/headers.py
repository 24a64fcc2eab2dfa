"""The headers of stored instances: what stands before the pixel data, and no more of a file if possible."""

from __future__ import annotations

import contextlib
import zlib
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from framecache.dicom import data_set
from framecache.dicom.byte_reader import ByteReader, FileReader, MemoryReader
from framecache.dicom.deflated import InflatingReader
from framecache.dicom.ranged_reader import OutOfReach
from framecache.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from framecache.errors import InstanceGone, NoPixelData, NotFound, UnreadableHeader
from framecache.instances.stored_files import RemoteFiles
from framecache.orthanc.instance import DescribedInstance, stored_path
from framecache.orthanc.instance_index import InstanceIndex
from framecache.ports import OrthancApi

# The head of the pixel data element, with its VR and length (PS3.5 section 7.1.2), and how it begins.
_ELEMENT_HEAD = 12
_LITTLE, _BIG = bytes.fromhex("e07f1000"), bytes.fromhex("7fe00010")
_FLOATS = tuple(map(bytes.fromhex, ("e07f0800", "e07f0900", "7fe00008", "7fe00009")))
_BITS_ALLOCATED = 0x00280100
_BYTE = 8
# A document without pixel data is its own header: it is read as a whole, up to so many bytes.
_LARGEST = 1 << 28
# Orthanc writes the length of an attachment before its compressed bytes.
_COMPRESSED_START = 8
_PREFIX = slice(128, 132)  # PS3.10 section 7.1


@dataclass(frozen=True, slots=True)
class StoredHeader:
    """A stored file up to the head of its pixel data, or as a whole where it has none; never deflated."""

    content: bytes
    transfer_syntax_uid: str


class Headers:
    """Reads them from Orthanc's storage area, from where else the files are, or through Orthanc's REST API."""

    def __init__(self, api: OrthancApi, storage_directory: Path, remote: RemoteFiles | None = None) -> None:
        self._index, self._storage_directory, self._remote = InstanceIndex(api), storage_directory, remote

    def read(self, instance: DescribedInstance) -> StoredHeader:
        """The header of this very version. Raises NotFound, InstanceGone, SourceError."""
        with ExitStack() as opened:
            try:
                stored = FileReader(stored_path(self._storage_directory, instance.attachment_uuid), whole=False)
            except InstanceGone:  # it was deleted, or is kept elsewhere: Orthanc knows
                return self._elsewhere(instance) or _header_of(MemoryReader(self._fetch(instance)), instance)
            opened.callback(stored.close)
            return _header_of(_uncompressed(stored), instance)

    def _elsewhere(self, instance: DescribedInstance) -> StoredHeader | None:
        """None where the file cannot be read there."""
        if self._remote is None or not self._remote.holds(instance):
            return None
        with contextlib.suppress(OutOfReach), closing(self._remote.open(instance, whole=False)) as stored:
            return _header_of(stored, instance)
        return None

    def _fetch(self, instance: DescribedInstance) -> bytes:
        """As much of the file as Orthanc gives without all of it, else all; its REST API has no ranges in the process.

        What Orthanc keeps ends before the pixel data element.
        """
        if instance.pixel_data_offset is None:
            return self._index.file(instance)
        try:
            content = self._index.until_pixel_data(instance)
        except NotFound:
            return self._index.file(instance)
        return content + _pixel_data_head(content, instance.transfer_syntax_uid, self._index.pixel_data_vr(instance))


def _uncompressed(stored: FileReader) -> ByteReader:
    """`stored`, or what Orthanc compressed in it: no DICOM file begins as a zlib stream behind a length does."""
    beginning = stored.read_at(0, _PREFIX.stop)
    if beginning[_PREFIX] != b"DICM" and beginning[_COMPRESSED_START : _COMPRESSED_START + 1] == b"\x78":
        return InflatingReader(stored, _COMPRESSED_START, zlib.MAX_WBITS)
    return stored


def _header_of(stored: ByteReader, instance: DescribedInstance) -> StoredHeader:
    syntax = instance.transfer_syntax_uid or data_set.read_transfer_syntax_uid(stored)
    if syntax != DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        return StoredHeader(_content(stored, syntax, instance.pixel_data_offset), syntax)
    inflated = InflatingReader.of_data_set(stored)
    return StoredHeader(_content(inflated, EXPLICIT_VR_LITTLE_ENDIAN, None), EXPLICIT_VR_LITTLE_ENDIAN)


def _content(reader: ByteReader, transfer_syntax_uid: str, pixel_data_offset: int | None) -> bytes:
    """Where Orthanc tells the position, one read is enough."""
    if pixel_data_offset:
        content = reader.read_at(0, pixel_data_offset + _ELEMENT_HEAD)
        if content[pixel_data_offset : pixel_data_offset + 4] in (_LITTLE, _BIG, *_FLOATS):
            return content
    try:
        header = data_set.read_header(reader, transfer_syntax_uid)
    except NoPixelData:
        return _whole(reader)
    return header.content[: header.pixel_data.start + _ELEMENT_HEAD]


def _whole(reader: ByteReader) -> bytes:
    content = reader.read_at(0, _LARGEST)
    if len(content) == _LARGEST:
        raise UnreadableHeader("a file without pixel data is too large to be read as a whole")
    return content


def _pixel_data_head(content: bytes, transfer_syntax_uid: str, vr: str | None) -> bytes:
    """The element that Orthanc left out, with some length: nobody reads its value."""
    length = b"\x02\0\0\0"
    if transfer_syntax_uid == IMPLICIT_VR_LITTLE_ENDIAN:
        return _LITTLE + length
    found = (vr or _usual_vr(content, transfer_syntax_uid)).encode("ascii", "replace") + b"\0\0"
    if transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN:
        return _BIG + found + length[::-1]
    return _LITTLE + found + length


def _usual_vr(content: bytes, transfer_syntax_uid: str) -> str:
    """OB of what is encapsulated or has 8 bits (PS3.5 sections A.2 to A.4). Orthanc guesses the same."""
    if transfer_syntax_uid not in (EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN):
        return "OB"
    start = data_set.start_of_data_set(content)
    low_byte = 1 if transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN else 0
    for element in data_set.walker_of(content, start, transfer_syntax_uid).top_level(start):
        if element.tag == _BITS_ALLOCATED:
            return "OW" if content[element.offset + low_byte] > _BYTE else "OB"
    return "OW"
