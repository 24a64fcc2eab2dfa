"""What clients retrieve of files in every encoding, and how little of a file they read for it."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from framecache.client import (
    DICOMfileClient,
    InvalidRequestError,
    NotAcceptableError,
    NotFoundError,
    UnreadableError,
)
from framecache.client.collection import StoredInstance
from framecache.client.collection_client import CollectionClient
from framecache.client.files.file_collection import FileCollection
from framecache.dicom.byte_reader import ByteReader
from framecache.dicom.frame_table import Extent

from tests.unit.client.instances import data_set_of, stored, uids, write
from tests.unit.dicom_files import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    INSTANCE,
    JPEG_2000,
    SERIES,
    STUDY,
    encapsulated,
    encoded,
    image,
    native,
    offset_table,
)

RLE = "1.2.840.10008.1.2.5"
AS_STORED = (("application/octet-stream", "*"),)
ONE = (STUDY, SERIES, INSTANCE)
PIXELS = bytes(range(72))
FRAMES = [PIXELS[:24], PIXELS[24:48], PIXELS[48:]]

Make = Callable[[bytes], DICOMfileClient]


@pytest.fixture
def of(tmp_path: Path) -> Iterator[Make]:
    """Makes a client of one file."""
    clients: list[DICOMfileClient] = []

    def make(content: bytes) -> DICOMfileClient:
        write(tmp_path / "files", {"file": content})
        clients.append(DICOMfileClient(tmp_path / "files", db_dir=tmp_path / "index"))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED])
def test_native_frames_of_every_encoding(of: Make, syntax: str) -> None:
    words = np.arange(72, dtype="<u2") * 900
    tags: dict[str, Any] = {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15}
    content = native((words.byteswap() if syntax == BIG_ENDIAN else words).tobytes(), syntax, **tags)
    client = of(content)
    assert client.retrieve_instance_frames(*ONE, [3, 1]) == [words[48:].tobytes(), words[:24].tobytes()]
    assert np.array_equal(client.retrieve_series(*ONE[:2])[0].pixel_array.ravel(), words)
    [pixels] = client.retrieve_bulkdata(client.retrieve_instance_metadata(*ONE)["7FE00010"]["BulkDataURI"])
    assert pixels == words.tobytes()


START = b"\xff\x4f\xff\x51"
FRAGMENTS = [[START + bytes(18)], [START + b"ab"], [START + b"cd", b"efgh"]]


@pytest.mark.parametrize("table", [offset_table(FRAGMENTS), []], ids=["with offset table", "without"])
def test_compressed_frames_of_several_fragments(of: Make, table: Sequence[int]) -> None:
    items = [struct.pack(f"<{len(table)}L", *table), *(one for frame in FRAGMENTS for one in frame)]
    client = of(encapsulated(items))
    assert client.retrieve_instance_frames(*ONE, [2, 3], AS_STORED) == [b"".join(one) for one in FRAGMENTS[1:]]


def test_frames_of_single_bits(of: Make) -> None:
    bits = np.array([1, 0, 1, 1] * 18, np.uint8)
    tags: dict[str, Any] = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "NumberOfFrames": 8}
    client = of(native(np.packbits(bits, bitorder="little").tobytes(), Rows=3, Columns=3, **tags))
    frames = client.retrieve_instance_frames(*ONE, range(1, 9))
    assert [np.unpackbits(np.frombuffer(one, np.uint8), bitorder="little")[:9].tolist() for one in frames] == (
        bits.reshape(8, 9).tolist()
    )


def test_a_wrong_offset_table_is_not_believed(of: Make) -> None:
    frames = [b"\xff\x4f\xff\x51" + bytes([n] * 8) for n in range(3)]
    client = of(encapsulated([struct.pack("<3L", 0, 4, 8), *frames]))
    assert client.retrieve_instance_frames(*ONE, [1, 2, 3], AS_STORED) == frames


@pytest.mark.parametrize(
    ("numbers", "media_types", "error"),
    [
        ([0], None, InvalidRequestError),
        ([-1], None, InvalidRequestError),
        ([1.0], None, InvalidRequestError),
        ([], None, InvalidRequestError),
        ([True], None, InvalidRequestError),
        ([4], None, NotFoundError),
        ([1, 4], None, NotFoundError),
        ([1], ("video/mp4",), NotAcceptableError),
        ([1], ("nonsense",), InvalidRequestError),
        ([1], "image/jp2", InvalidRequestError),
        ([1], (), InvalidRequestError),
        ([1], (("image/jpeg", "1.2.840.10008.1.2.4.50"),), None),
        ([1], ("image/jls", "application/octet-stream"), None),
        ([1], ("image/",), None),
        ([1], ("*/*",), None),
    ],
)
def test_calls_that_are_wrong_raise_before_a_frame_comes(
    of: Make, numbers: list[Any], media_types: Any, error: type[Exception] | None
) -> None:
    client = of(native(PIXELS))
    if error is None:
        assert len(client.retrieve_instance_frames(*ONE, numbers, media_types)) == 1
        return
    with pytest.raises(error):
        client.iter_instance_frames(*ONE, numbers, media_types)


def test_a_form_with_no_room_for_the_pixels_gives_way_to_the_next(of: Make) -> None:
    words = np.arange(72, dtype="<u2") * 900
    client = of(native(words.tobytes(), BitsAllocated=16, BitsStored=16, HighBit=15))
    wanted = (("image/jpeg", "1.2.840.10008.1.2.4.50"), ("image/dicom-rle", RLE))
    [frame] = client.retrieve_instance_frames(*ONE, [1], wanted)
    assert struct.unpack("<L", frame[:4]) == (2,)  # RLE segments
    with pytest.raises(NotAcceptableError):
        client.retrieve_instance_frames(*ONE, [1], wanted[:1])


def test_a_truncated_file_has_the_frames_that_are_whole(of: Make) -> None:
    client = of(native(PIXELS)[:-30])
    assert client.retrieve_instance_frames(*ONE, [1]) == FRAMES[:1]
    with pytest.raises(UnreadableError):
        client.retrieve_instance_frames(*ONE, [3])


def test_a_file_is_application_dicom_and_nothing_else(of: Make) -> None:
    client = of(native(PIXELS))
    assert client.retrieve_instance(*ONE, ("*/*",)).file_meta.TransferSyntaxUID == EXPLICIT
    with pytest.raises(InvalidRequestError):
        client.retrieve_instance(*ONE, ("application/octet-stream",))
    with pytest.raises(NotAcceptableError):
        client.retrieve_instance(*ONE, (("application/dicom", "1.2.840.10008.1.2.4.102"),))


def test_several_frames_are_rendered_into_one_multipart_body(of: Make) -> None:
    client = of(native(PIXELS))
    body = client.retrieve_instance_frames_rendered(*ONE, [1, 3], ("image/png",))
    assert body.count(b"\x89PNG") == 2
    assert body.startswith(b"--")
    with pytest.raises(NotAcceptableError):
        client.retrieve_instance_rendered(*ONE, ("image/webp",))
    with pytest.raises(InvalidRequestError):
        client.retrieve_instance_rendered(*ONE, None, {"viewport": [0, 0]})


def test_documents_have_no_frames_and_are_retrieved_whole(of: Make) -> None:
    document = image()
    for keyword in ("Rows", "Columns", "NumberOfFrames"):
        delattr(document, keyword)
    document.EncapsulatedDocument = b"%PDF" * 1000
    client = of(encoded(document, IMPLICIT))
    with pytest.raises(NotFoundError):
        client.retrieve_instance_frames(*ONE, [1])
    with pytest.raises(NotFoundError):
        client.retrieve_instance_rendered(*ONE)
    [converted] = client.retrieve_study(STUDY)
    assert converted.file_meta.TransferSyntaxUID == EXPLICIT
    assert converted.EncapsulatedDocument == document.EncapsulatedDocument


@pytest.mark.parametrize(
    ("byte_range", "expected"),
    [
        (None, bytes(range(250)) * 8),
        ((0, 9), bytes(range(10))),
        ((1990, 5000), bytes(range(240, 250))),
        ((1998,), b"\xf8\xf9"),
    ],
)
def test_bulk_data_is_read_by_range(of: Make, byte_range: Any, expected: bytes) -> None:
    client = of(native(PIXELS, EncapsulatedDocument=bytes(range(250)) * 8, ICCProfile=b"short!"))
    metadata = client.retrieve_instance_metadata(*ONE)
    assert "InlineBinary" in metadata["00282000"]
    assert client.retrieve_bulkdata(metadata["00420011"]["BulkDataURI"], byte_range=byte_range) == [expected]
    assert list(client.iter_bulkdata(metadata["7FE00010"]["BulkDataURI"], byte_range=(24, 47))) == [FRAMES[1]]


@pytest.mark.parametrize("url", ["bulk/00420011", "studies/1/series/2/instances/3/bulk/x", "http://elsewhere/1"])
def test_what_is_no_bulk_data_is_not_found(of: Make, url: str) -> None:
    client = of(native(PIXELS))
    with pytest.raises(NotFoundError):
        client.retrieve_bulkdata(f"{client.base_url}/{url}")
    with pytest.raises(NotFoundError):
        client.retrieve_bulkdata(
            f"{client.base_url}/studies/{STUDY}/series/{SERIES}/instances/{INSTANCE}/bulk/00091001"
        )


def test_compressed_pixel_data_as_bulk_data_is_its_frames(of: Make) -> None:
    frames = [b"\xff\x4f\xff\x51" + bytes([n] * 8) for n in range(3)]
    client = of(encapsulated([b"", *frames]))
    uri = client.retrieve_instance_metadata(*ONE)["7FE00010"]["BulkDataURI"]
    assert client.retrieve_bulkdata(uri) == frames


def test_fields_that_no_index_has_are_read_from_the_header(of: Make) -> None:
    client = of(native(PIXELS, SliceThickness="2.5", PatientComments="so"))
    [found] = client.search_for_instances(fields=["SliceThickness"])
    assert found["00180050"] == {"vr": "DS", "Value": ["2.5"]}
    [study] = client.search_for_studies(fields=["00180050", "PatientComments"])
    assert (study["00180050"]["Value"], study["00104000"]["Value"]) == (["2.5"], ["so"])
    [everything] = client.search_for_instances(fields=["all"])
    assert everything["00280004"]["Value"] == ["MONOCHROME2"]
    with pytest.raises(InvalidRequestError):
        client.search_for_studies(fields=["NoSuchKeyword"])


class WatchedCollection(FileCollection):
    """Notes what is read of files."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, None)
        self.reads: list[tuple[int, int]] = []
        self.wanted: list[Sequence[Extent] | None] = []

    @contextmanager
    def open(self, instance: StoredInstance, wanted: Sequence[Extent] | None = None) -> Iterator[ByteReader]:
        self.wanted.append(wanted)
        with super().open(instance, wanted) as reader:
            yield WatchedReader(reader, self.reads)


class WatchedReader:
    def __init__(self, reader: ByteReader, reads: list[tuple[int, int]]) -> None:
        self._reader, self._reads, self.size = reader, reads, reader.size

    def read_at(self, offset: int, length: int) -> bytes:
        self._reads.append((offset, length))
        return self._reader.read_at(offset, length)

    def read_into(self, offset: int, target: memoryview) -> None:
        self._reads.append((offset, len(target)))
        self._reader.read_into(offset, target)

    def close(self) -> None:
        self._reader.close()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[WatchedCollection]:
    write(tmp_path, {"native": stored(1, 1, 1)})
    frames = [b"\xff\x4f\xff\x51" + os.urandom(100) for _ in range(3)]
    compressed = data_set_of(2, 1, 1)
    del compressed.PixelData
    tags = {one.keyword: one.value for one in compressed if one.keyword}
    write(tmp_path, {"compressed": encapsulated([b"", *frames], JPEG_2000, **tags)})
    collection = WatchedCollection(tmp_path)
    collection.update()
    yield collection
    collection.close()


@pytest.mark.parametrize("study", [1, 2])
def test_a_frame_is_one_read_of_its_own_bytes(watched: WatchedCollection, study: int) -> None:
    client = CollectionClient("file:///images", watched)
    [frame] = client.retrieve_instance_frames(*uids(study, 1, 1), [2], AS_STORED)
    [read] = watched.reads
    assert read[1] == len(frame)
    assert watched.wanted == [[Extent(*read)]]


def test_what_will_be_read_is_told_before(watched: WatchedCollection) -> None:
    client = CollectionClient("file:///images", watched)
    client.retrieve_instance_rendered(*uids(1, 1, 1))
    [wanted] = watched.wanted
    assert wanted is not None
    told = [(one.offset, one.length) for one in wanted]
    assert sorted(watched.reads) == sorted(told)


def test_a_base_url_is_that_of_all_that_is_told(watched: WatchedCollection) -> None:
    client = CollectionClient("s3://bucket/prefix/", watched)
    assert (client.base_url, client.scheme, client.url_prefix) == ("s3://bucket/prefix", "s3", "/prefix")
    [study] = client.search_for_studies(search_filters={"PatientID": "P1"})
    assert study["00081190"]["Value"] == [f"s3://bucket/prefix/studies/{uids(1, 1, 1)[0]}"]
