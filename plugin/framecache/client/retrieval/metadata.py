"""Retrieve Metadata and Bulk Data (PS3.18 sections 10.4.1.1.2 and 10.4.1.1.6)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from framecache.client.collection import DicomJson, StoredInstance
from framecache.client.retrieval.opening import Opener
from framecache.dicom.byte_reader import ByteReader
from framecache.dicom.data_set import read_header
from framecache.dicom.element_walker import UNDEFINED_LENGTH
from framecache.dicom.frame_table import Extent
from framecache.dicom.identity import InstancePath
from framecache.dicom.model.character_sets import LATIN_1
from framecache.dicom.model.dicom_json import dicom_json
from framecache.dicom.transfer_syntax import EXPLICIT_VR_BIG_ENDIAN
from framecache.errors import BadRequest, InstanceGone, NoPixelData, NotFound

_PIXEL_DATA = frozenset({"7fe00008", "7fe00009", "7fe00010"})
_BULK = re.compile(
    r"studies/(?P<study>[^/]+)/series/(?P<series>[^/]+)/instances/(?P<instance>[^/]+)"
    r"/bulk(?:data)?/(?P<path>[0-9a-f]{8}(?:/[0-9]+/[0-9a-f]{8})*)"
)
_WHOLE = 1 << 40


@dataclass(frozen=True, slots=True)
class _Above:
    """Values above a threshold get a URI, and so does pixel data."""

    url: str
    threshold: int

    def __call__(self, path: str, vr: str, length: int, value: Callable[[], memoryview]) -> str | None:  # noqa: ARG002
        return f"{self.url}/bulk/{path}" if length > self.threshold or path in _PIXEL_DATA else None


@dataclass(slots=True)
class _Picked:
    """Takes the value at one path, and nothing else."""

    path: str
    found: list[bytes] = field(default_factory=list)

    def __call__(self, path: str, vr: str, length: int, value: Callable[[], memoryview]) -> str:  # noqa: ARG002
        if path == self.path:
            self.found.append(bytes(value()))
        return ""


class MetadataRetrieval:
    """Retrieves metadata, and the values that it refers to by a BulkDataURI."""

    def __init__(self, opener: Opener, base_url: str, threshold: int) -> None:
        """Binary values of more than `threshold` bytes are named by a BulkDataURI below `base_url`."""
        self._opener, self._base_url, self._threshold = opener, base_url, threshold

    def instance(self, path: InstancePath) -> DicomJson:
        """The metadata of one instance. Raises NotFound, SourceError."""
        return self._opener.with_instance(path, self._metadata)

    def instances(self, study_instance_uid: str, series_instance_uid: str | None = None) -> Iterator[DicomJson]:
        """That of all instances of a study or series. Raises NotFound where there are none."""
        is_empty = True
        for instance in self._opener.collection.find(study_instance_uid, series_instance_uid):
            try:
                yield self._metadata(instance)
            except InstanceGone:
                self._opener.collection.refresh(instance)
                yield self.instance(instance.path)
            is_empty = False
        if is_empty:
            raise NotFound("there is no such study" if series_instance_uid is None else "there is no such series")

    def bulk_data(self, url: str, byte_range: tuple[int, ...] | None) -> Iterator[bytes]:
        """The value at a BulkDataURI: of encapsulated pixel data the frames, one after the other.

        `byte_range` is the first and the last byte, from 0; without a last one the rest. Raises BadRequest, NotFound.
        """
        found = _BULK.fullmatch(url.removeprefix(self._base_url).lstrip("/"))
        if found is None:
            raise NotFound("that is no URL of bulk data here")
        path = InstancePath(found["study"], found["series"], found["instance"])
        first, length = range_of(byte_range)
        values = self._opener.with_instance(path, lambda one: list(self._values(one, found["path"], first, length)))
        return iter(values)

    def _metadata(self, instance: StoredInstance) -> DicomJson:
        above = _Above(f"{self._base_url}/{instance.path}", self._threshold)
        with self._opener.content(instance, ()) as reader:
            header = header_of(reader, instance)
        text = dicom_json(header, instance.transfer_syntax_uid, above, default_character_set=LATIN_1)
        found: DicomJson = json.loads(text)
        return found

    def _values(self, instance: StoredInstance, path: str, first: int, length: int) -> Iterator[bytes]:
        if path in _PIXEL_DATA:
            yield from self._pixel_data(instance, path, first, length)
            return
        picked = _Picked(path)
        with self._opener.content(instance, ()) as reader:
            dicom_json(header_of(reader, instance), instance.transfer_syntax_uid, picked)
        if not picked.found:
            raise NotFound("the instance has no such bulk data")
        yield part_of(picked.found[0], first, length)

    def _pixel_data(self, instance: StoredInstance, path: str, first: int, length: int) -> Iterator[bytes]:
        syntax = instance.transfer_syntax_uid
        with self._opener.content(instance, ()) as reader:
            try:
                element = read_header(reader, syntax, instance.pixel_data_offset).pixel_data
            except NoPixelData:
                raise NotFound("the instance has no pixel data") from None
            if element.tag != int(path, 16):
                raise NotFound("the instance has no such pixel data")
            if element.length != UNDEFINED_LENGTH and syntax != EXPLICIT_VR_BIG_ENDIAN:
                available = max(0, element.length - first)
                yield _read(reader, Extent(element.offset + first, min(length, available)))
                return
        with self._opener.frames(instance) as source:
            frames = [source.frame_bytes(index) for index in range(source.number_of_frames)]
        if element.length != UNDEFINED_LENGTH:  # Big Endian, whose frames are turned round as they are read
            frames = [b"".join(frames)]
        yield from (frames if (first, length) == (0, _WHOLE) else [part_of(b"".join(frames), first, length)])


def header_of(reader: ByteReader, instance: StoredInstance) -> bytes:
    """A file up to its pixel data, or as a whole where it has none."""
    try:
        return read_header(reader, instance.transfer_syntax_uid, instance.pixel_data_offset).content
    except NoPixelData:
        return reader.read_at(0, reader.size)


def range_of(byte_range: tuple[int, ...] | None) -> tuple[int, int]:
    """The first byte and how many; the last one counts (RFC 9110 section 14.1.2)."""
    if byte_range is None:
        return 0, _WHOLE
    first, *last = byte_range
    if first < 0 or (last and last[0] < first):
        raise BadRequest("a byte range begins at 0 or later, and does not end before it begins")
    return first, last[0] - first + 1 if last else _WHOLE


def part_of(value: bytes, first: int, length: int) -> bytes:
    if first and first >= len(value):
        raise BadRequest(f"the byte range begins behind the value, which has {len(value)} bytes")
    return value[first : first + length]


def _read(reader: ByteReader, extent: Extent) -> bytes:
    if not extent.length:
        raise BadRequest("the byte range begins behind the value")
    target = bytearray(extent.length)
    reader.read_into(extent.offset, memoryview(target))
    return bytes(target)
