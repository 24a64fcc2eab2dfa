"""A header is read, and no more: from a folder, from what Orthanc compressed there, and through Orthanc."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from framecache.dicom.byte_reader import FileReader
from framecache.dicom.model.bulk_data import BulkDataUris
from framecache.dicom.model.dicom_json import dicom_json
from framecache.errors import InstanceGone, NotFound
from framecache.instances.headers import Headers, StoredHeader
from framecache.orthanc.instance import DescribedInstance, Instance

from tests.unit.dicom_files import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, encapsulated, encoded, image, native
from tests.unit.elsewhere import Elsewhere
from tests.unit.fakes import PATH, UUID, FakeApi

SYNTAXES = [EXPLICIT, IMPLICIT, BIG_ENDIAN]
LARGE = bytes(3 << 20)


def described(api: FakeApi, orthanc_id: str) -> DescribedInstance:
    return Instance.from_find(api.instances[orthanc_id].answer)


def offset_of(content: bytes, syntax: str) -> int | None:
    place = content.rfind(bytes.fromhex("7fe00010" if syntax == BIG_ENDIAN else "e07f1000"))
    return place if place > 0 and syntax != DEFLATED else None


def json_of(header: StoredHeader) -> bytes:
    return dicom_json(header.content, header.transfer_syntax_uid, BulkDataUris(PATH))


def read(api: FakeApi, folder: Path, orthanc_id: str) -> StoredHeader:
    return Headers(api, folder).read(described(api, orthanc_id))


@pytest.mark.parametrize("is_told", [True, False])
@pytest.mark.parametrize("syntax", [*SYNTAXES, DEFLATED])
def test_the_file_is_read_up_to_the_head_of_its_pixel_data(tmp_path: Path, syntax: str, *, is_told: bool) -> None:
    api, content = FakeApi(tmp_path), native(LARGE, syntax, Rows=1024, Columns=1024)
    one = api.store(content, syntax=syntax, offset=offset_of(content, syntax) if is_told else None)
    header = read(api, tmp_path, one)

    assert len(header.content) < 1000
    assert header.transfer_syntax_uid == (EXPLICIT if syntax == DEFLATED else syntax)
    assert b"BulkDataURI" in json_of(header)


@pytest.mark.parametrize("syntax", [*SYNTAXES, DEFLATED])
def test_a_file_in_a_bucket_is_read_up_to_there_and_orthanc_is_not_asked(tmp_path: Path, syntax: str) -> None:
    api, content = FakeApi(), native(LARGE, syntax, Rows=1024, Columns=1024)
    one, elsewhere = api.store(content, syntax=syntax, offset=offset_of(content, syntax)), Elsewhere({UUID: content})

    header = Headers(api, tmp_path, elsewhere).read(described(api, one))

    assert b"BulkDataURI" in json_of(header)
    assert elsewhere.bytes_read < 300_000
    assert api.calls == []


def test_what_cannot_be_read_in_the_bucket_comes_from_orthanc(tmp_path: Path) -> None:
    api, content = FakeApi(), native(LARGE, Rows=1024, Columns=1024)
    one = api.store(content, offset=offset_of(content, EXPLICIT))

    header = Headers(api, tmp_path, Elsewhere({UUID: content}, 0)).read(described(api, one))

    assert b"BulkDataURI" in json_of(header)
    assert api.calls


def test_encapsulated_pixel_data_is_not_read_either(tmp_path: Path) -> None:
    api = FakeApi(tmp_path)
    one = api.store(encapsulated([b"", LARGE]), syntax="1.2.840.10008.1.2.4.90")
    header = read(api, tmp_path, one)

    assert len(header.content) < 1000
    assert b'"7FE00010":{"vr":"OB","BulkDataURI"' in json_of(header)


def test_an_offset_that_is_wrong_is_not_believed(tmp_path: Path) -> None:
    api = FakeApi(tmp_path)
    one = api.store(native(bytes(72)), offset=200)

    assert b"7FE00010" in json_of(read(api, tmp_path, one))


def test_a_document_is_its_own_header(tmp_path: Path) -> None:
    api, content = FakeApi(tmp_path), encoded(image(ContentLabel="A REPORT"))
    one = api.store(content)

    assert read(api, tmp_path, one).content == content


def test_a_transfer_syntax_that_orthanc_does_not_know_is_read_in_the_file(tmp_path: Path) -> None:
    api = FakeApi(tmp_path)
    one = api.store(encapsulated([b"", b"abcd"], "1.2.840.10008.1.2.4.201"), syntax="")

    assert read(api, tmp_path, one).transfer_syntax_uid == "1.2.840.10008.1.2.4.201"


@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED])
def test_of_what_orthanc_compressed_the_beginning_is_inflated(
    tmp_path: Path, syntax: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, content = FakeApi(tmp_path), native(LARGE, syntax, Rows=1024, Columns=1024)
    one = api.store(content, syntax=syntax, offset=offset_of(content, syntax))
    path = api.path_of(api.instances[one].answer)
    path.write_bytes(struct.pack("<Q", len(content)) + zlib.compress(content, 0))
    read_lengths = list[int]()
    read_at = FileReader.read_at

    def counted(reader: FileReader, offset: int, length: int) -> bytes:
        found = read_at(reader, offset, length)
        read_lengths.append(len(found))
        return found

    monkeypatch.setattr(FileReader, "read_at", counted)
    assert b"BulkDataURI" in json_of(read(api, tmp_path, one))
    assert sum(read_lengths) < 1 << 20


def test_of_what_lies_elsewhere_orthanc_is_asked_for_no_more(tmp_path: Path) -> None:
    """It writes anew what it has parsed: nothing is where it was in the file."""
    api, content = FakeApi(None), native(bytes(72))
    one = api.store(content, offset=offset_of(content, EXPLICIT))
    api.instances[one].header = encapsulated([b""], PatientName="of another length")
    header = read(api, tmp_path, one)

    assert b"of another length" in json_of(header)
    assert header.transfer_syntax_uid == "1.2.840.10008.1.2.4.90"
    assert not any(call.endswith("/file") for call in api.calls)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_pixel_data_that_orthanc_s_parser_left_out_still_has_bulk_data(tmp_path: Path, syntax: str) -> None:
    api, content = FakeApi(None), native(bytes(144), syntax, BitsAllocated=16)
    one = api.store(content, syntax=syntax)
    api.instances[one].header = native(b"", syntax, BitsAllocated=16)

    assert json_of(read(api, tmp_path, one)) == json_of(StoredHeader(content, syntax))


def test_where_orthanc_s_parser_fails_it_gives_the_file(tmp_path: Path) -> None:
    api, content = FakeApi(None), native(bytes(72))
    one = api.store(content, offset=offset_of(content, EXPLICIT))

    assert read(api, tmp_path, one).content == content[: read_header_length(content)]


def read_header_length(content: bytes) -> int:
    offset = offset_of(content, EXPLICIT)
    assert offset is not None
    return offset + 12


@pytest.mark.parametrize("is_parsed", [True, False])
def test_another_version_is_not_taken_for_the_one_that_is_meant(tmp_path: Path, *, is_parsed: bool) -> None:
    api = FakeApi(None)
    one = api.store(native(bytes(72)))
    old = described(api, one)
    api.store(native(bytes(72)), uuid="99999999-0f37-4b5e-9d61-3a7f2c8e5b90")
    api.instances[one].header = native(b"") if is_parsed else None

    with pytest.raises(InstanceGone):
        Headers(api, tmp_path).read(old)


def test_what_is_deleted_is_not_found(tmp_path: Path) -> None:
    api = FakeApi(tmp_path)
    one = api.store(native(bytes(72)))
    old = described(api, one)
    api.delete(one)

    with pytest.raises(NotFound):
        Headers(api, tmp_path).read(old)
