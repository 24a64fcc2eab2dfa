"""What the index says of a file, from its header, in every encoding, and of files that are odd or no DICOM files."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from framecache.client.index.reading import Record, read_record
from framecache.dicom import frame_index
from framecache.dicom.byte_reader import MemoryReader
from framecache.errors import SourceError
from framecache.shared_buffers import SharedBuffers
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmwrite

from tests.unit.dicom_files import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    INSTANCE,
    SERIES,
    STUDY,
    encapsulated,
    encoded,
    image,
    native,
)

PIXELS = bytes(range(72))


def read(content: bytes) -> Record:
    return read_record(MemoryReader(content), "version", SharedBuffers(1 << 20))


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED])
def test_values_are_the_same_in_every_encoding(syntax: str) -> None:
    item = Dataset()
    item.ScheduledProcedureStepID, item.RequestedProcedureID = "A", ""
    tags: dict[str, Any] = {"StudyDate": "20200102", "InstanceNumber": 7, "ImageType": ["A", "B"], "StudyID": ""}
    found = read(native(PIXELS, syntax, RequestAttributesSequence=[item, Dataset()], **tags))
    values = dict(found.values)
    assert json.loads(str(values.pop("RequestAttributesSequence"))) == [
        {"00400009": {"vr": "SH", "Value": ["A"]}, "00401001": {"vr": "SH"}},
        {},
    ]
    assert values == {
        "SOPClassUID": image().SOPClassUID,
        "SOPInstanceUID": INSTANCE,
        "StudyInstanceUID": STUDY,
        "SeriesInstanceUID": SERIES,
        "PatientName": "Synthetic",
        "StudyDate": "20200102",
        "StudyID": "",
        "InstanceNumber": "7",
        "ImageType": "A\\B",
        "NumberOfFrames": "3",
        "Rows": 4,
        "Columns": 6,
        "BitsAllocated": 8,
    }
    assert found.transfer_syntax_uid == syntax


def test_sequences_of_undefined_length_are_read() -> None:
    item = Dataset()
    item.RequestedProcedureID = "R"
    item.is_undefined_length_sequence_item = True
    data_set = image(RequestAttributesSequence=[item])
    data_set["RequestAttributesSequence"].is_undefined_length = True
    values = read(encoded(data_set)).values
    assert json.loads(str(values["RequestAttributesSequence"])) == [{"00401001": {"vr": "SH", "Value": ["R"]}}]


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 192", "Ванг^小東"),
        ("ISO_IR 144", "Люкceмбypг"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ],
)
def test_names_in_their_character_sets(character_set: Any, name: str) -> None:
    assert read(native(PIXELS, SpecificCharacterSet=character_set, PatientName=name)).values["PatientName"] == name


def test_frames_that_lie_open_are_indexed() -> None:
    content = native(PIXELS)
    found = read(content)
    assert found.frame_index is not None
    table = frame_index.unpack(found.frame_index, "version", len(content))
    [run] = table.extents(1)
    assert content[run.offset : run.offset + run.length] == PIXELS[24:48]
    assert found.pixel_data_offset is not None
    assert content[found.pixel_data_offset :][:4] == b"\xe0\x7f\x10\x00"


@pytest.mark.parametrize(
    "content",
    [
        native(PIXELS, DEFLATED),
        native(PIXELS, BIG_ENDIAN, BitsAllocated=16, BitsStored=16, HighBit=15, NumberOfFrames=1, Columns=9),
        native(bytes(3), BitsAllocated=1, BitsStored=1, HighBit=0, Rows=3, Columns=3, NumberOfFrames=2),
        native(PIXELS)[:-30],
        encapsulated([b""]),
    ],
    ids=["deflated", "big endian", "bits", "cut off", "empty"],
)
def test_frames_that_do_not_lie_open_are_not(content: bytes) -> None:
    assert read(content).frame_index is None


def test_a_document_has_no_frames() -> None:
    document = image(EncapsulatedDocument=bytes(300_000))
    document.add_new(0x7FE11001, "OB", b"behind")
    assert read(encoded(document)).pixel_data_offset is None


def test_a_header_longer_than_the_first_read_is_read_whole() -> None:
    found = read(native(PIXELS, EncapsulatedDocument=bytes(500_000), ContentLabel="LATE"))
    assert (found.values["ContentLabel"], found.values["Rows"]) == ("LATE", 4)
    assert found.frame_index is not None


def _without(keyword: str) -> bytes:
    data_set = image()
    delattr(data_set, keyword)
    stream = BytesIO()
    dcmwrite(stream, data_set, implicit_vr=False, little_endian=True)
    return bytes(128) + b"DICM" + stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"no DICOM file", bytes(200), bytes(128) + b"DICM", _without("SeriesInstanceUID"), native(PIXELS)[:300]],
    ids=["empty", "short", "zeros", "nothing behind the prefix", "without a UID", "cut off"],
)
def test_what_is_no_instance_is_refused(content: bytes) -> None:
    with pytest.raises(SourceError):
        read(content)


@given(st.binary(max_size=400), st.integers(0, 600))
def test_any_bytes_are_an_instance_or_refused(noise: bytes, position: int) -> None:
    content = native(PIXELS)
    damaged = content[:position] + noise + content[position + len(noise) :]
    try:
        read(damaged)
    except SourceError:
        return
