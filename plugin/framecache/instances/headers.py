"""The headers of stored instances: what stands before the pixel data, and no more of a file if possible."""

from __future__ import annotations

import contextlib
import zlib
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from framecache.dicom import data_set
from framecache.dicom.byte_reader import ByteReader, FileReader, MemoryReader
from framecache.dicom.deflated import InflatingReader
from framecache.dicom.ranged_reader import OutOfReach
from framecache.dicom.transfer_syntax import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN
from framecache.errors import InstanceGone, NoPixelData, SourceError, UnreadableHeader
from framecache.instances.stored_files import RemoteFiles
from framecache.orthanc.instance import DescribedInstance, stored_path
from framecache.orthanc.instance_index import InstanceIndex
from framecache.ports import HeaderApi

# The head of the pixel data element, with a VR and without (PS3.5 section 7.1.2), and how it begins.
_ELEMENT_HEAD, _SHORT_HEAD = 12, 8
_BIG_ENDIAN, _SOME_LENGTH = 0x7F, 2
_HEADS = tuple(map(bytes.fromhex, ("e07f1000", "e07f0800", "e07f0900", "7fe00010", "7fe00008", "7fe00009")))
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
    """Reads them from Orthanc's storage area or a bucket, or has Orthanc read them where they do not lie there."""

    def __init__(self, api: HeaderApi, storage_directory: Path, remote: RemoteFiles | None = None) -> None:
        self._api, self._index = api, InstanceIndex(api)
        self._storage_directory, self._remote = storage_directory, remote

    def read(self, instance: DescribedInstance) -> StoredHeader:
        """The header of this very version. Raises NotFound, InstanceGone, SourceError."""
        with ExitStack() as opened:
            try:
                stored = FileReader(stored_path(self._storage_directory, instance.attachment_uuid), whole=False)
            except InstanceGone:  # it was deleted, or is kept elsewhere: Orthanc knows
                return self._elsewhere(instance) or _header_of(MemoryReader(self._fetch(instance)), "", None)
            opened.callback(stored.close)
            return _header_of(_uncompressed(stored), instance.transfer_syntax_uid, instance.pixel_data_offset)

    def _elsewhere(self, instance: DescribedInstance) -> StoredHeader | None:
        """None where the file cannot be read there."""
        if self._remote is None or not self._remote.holds(instance):
            return None
        with contextlib.suppress(OutOfReach), closing(self._remote.open(instance, whole=False)) as stored:
            return _header_of(stored, instance.transfer_syntax_uid, instance.pixel_data_offset)
        return None

    def _fetch(self, instance: DescribedInstance) -> bytes:
        """What Orthanc's parser has of it; the whole file where that cannot read it."""
        try:
            content = self._api.header(instance.orthanc_id)
        except SourceError:
            return self._index.file(instance)
        self._index.check_current(instance)
        return _with_some_length(content)


def _uncompressed(stored: FileReader) -> ByteReader:
    """`stored`, or what Orthanc compressed in it: no DICOM file begins as a zlib stream behind a length does."""
    beginning = stored.read_at(0, _PREFIX.stop)
    if beginning[_PREFIX] != b"DICM" and beginning[_COMPRESSED_START : _COMPRESSED_START + 1] == b"\x78":
        return InflatingReader(stored, _COMPRESSED_START, zlib.MAX_WBITS)
    return stored


def _header_of(stored: ByteReader, transfer_syntax_uid: str, pixel_data_offset: int | None) -> StoredHeader:
    syntax = transfer_syntax_uid or data_set.read_transfer_syntax_uid(stored)
    if syntax != DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        return StoredHeader(_content(stored, syntax, pixel_data_offset), syntax)
    inflated = InflatingReader.of_data_set(stored)
    return StoredHeader(_content(inflated, EXPLICIT_VR_LITTLE_ENDIAN, None), EXPLICIT_VR_LITTLE_ENDIAN)


def _with_some_length(content: bytes) -> bytes:
    """Orthanc writes pixel data of no length, which would have no bulk data: nobody reads its value."""
    for head in (_ELEMENT_HEAD, _SHORT_HEAD):
        if content[-head : 4 - head] in _HEADS and not any(content[-4:]):
            order: Literal["big", "little"] = "big" if content[-head] == _BIG_ENDIAN else "little"
            return content[:-4] + _SOME_LENGTH.to_bytes(4, order)
    return content


def _content(reader: ByteReader, transfer_syntax_uid: str, pixel_data_offset: int | None) -> bytes:
    """Where Orthanc tells the position, one read is enough."""
    if pixel_data_offset:
        content = reader.read_at(0, pixel_data_offset + _ELEMENT_HEAD)
        if content[pixel_data_offset : pixel_data_offset + 4] in _HEADS:
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
