"""DICOMs3Client over an archive, in a folder and in a bucket: what others add, how few requests, what is rebuilt."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from dicomweb_client.protocol import DICOMClient
from framecache.client import (
    DICOMfileClient,
    DICOMs3Client,
    ForbiddenError,
    NotFoundError,
    UnreachableError,
    UnreadableError,
)
from framecache.client.archive.archive_client import _index_path
from framecache.client.archive.folder_objects import FolderObjects
from framecache.tree.derivation import Derivation
from framecache.tree.objects import Objects, open_objects
from framecache.tree.opening import open_tree
from framecache.tree.source import Source
from framecache.tree.study_index import StudyIndex
from framecache.tree.tree import Tree
from framecache.tree.view import View
from framecache.tree.writer import Added
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from dev.s3 import S3Server
from tests.unit.client.instances import data_set_of, stored, uids, values
from tests.unit.dicom_files import EXPLICIT, IMPLICIT, encoded
from tests.unit.tree.forms import Reversed

INSTANCE = "00080018"


def add(tree: Tree, *contents: bytes, **arguments: Any) -> None:
    outcomes = list(tree.add(map(Source.content, contents), **arguments))
    assert all(isinstance(one, Added) for one in outcomes), outcomes


@pytest.fixture
def url(tmp_path: Path) -> str:
    """An archive of two studies, one of them with two series."""
    url = (tmp_path / "archive").as_uri()
    with open_tree(url) as tree:
        add(tree, stored(1, 1, 1), stored(1, 1, 2, IMPLICIT), stored(1, 2, 1), stored(2, 1, 1))
    return url


@pytest.fixture
def client(url: str, tmp_path: Path) -> Iterator[DICOMs3Client]:
    with DICOMs3Client(url, db_dir=tmp_path / "index") as client:
        yield client


def test_it_is_a_dicom_client(client: DICOMs3Client) -> None:
    assert isinstance(client, DICOMClient)


def test_no_archive_is_not_found_and_not_made(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(NotFoundError):
            DICOMs3Client(folder.as_uri(), in_memory=True)
    assert not (tmp_path / "missing").exists()


def test_what_others_add_change_and_delete_is_seen(client: DICOMs3Client, url: str) -> None:
    assert len(client.search_for_instances()) == 4
    with open_tree(url) as tree:
        add(tree, stored(3, 1, 1), stored(2, 1, 1, PatientName="New^Name"))
        tree.delete(uids(1, 1, 1)[0], uids(1, 2, 1)[1], reason="test")
    client.update()
    assert set(values(client.search_for_studies(), "0020000D")) == {uids(n, 1, 1)[0] for n in (1, 2, 3)}
    [study] = client.search_for_studies(search_filters={"StudyInstanceUID": uids(2, 1, 1)[0]})
    assert study["00100010"]["Value"] == [{"Alphabetic": "New^Name"}]
    assert len(client.search_for_instances(uids(1, 1, 1)[0])) == 2
    with pytest.raises(NotFoundError):
        client.retrieve_instance_frames(*uids(1, 2, 1), [1])


def test_what_is_not_known_is_looked_for_at_once(client: DICOMs3Client, url: str) -> None:
    assert len(client.search_for_studies()) == 2
    with open_tree(url) as tree:
        add(tree, stored(3, 1, 1))
        add(tree, stored(1, 1, 9))
    assert client.retrieve_instance(*uids(3, 1, 1)).PatientID == "P3"
    assert client.retrieve_instance(*uids(1, 1, 9)).InstanceNumber == 9


def test_an_instance_that_was_replaced_is_read_as_it_is_now(client: DICOMs3Client, url: str) -> None:
    before = client.retrieve_instance_frames(*uids(1, 1, 1), [1])
    replaced = data_set_of(1, 1, 1)
    replaced.PixelData = bytes(len(replaced.PixelData))
    with open_tree(url) as tree:
        add(tree, encoded(replaced, EXPLICIT))
    client.update()
    assert client.retrieve_instance_frames(*uids(1, 1, 1), [1]) == [bytes(len(before[0]))]


def test_a_search_reads_only_the_studies_that_may_match(client: DICOMs3Client, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    view = Derivation.view

    def noted(self: Derivation, study: str) -> View:
        read.append(study)
        return view(self, study)

    monkeypatch.setattr(Derivation, "view", noted)
    assert len(client.search_for_instances(search_filters={"PatientName": "NAME^2", "StudyDate": "20200101-"})) == 1
    assert client.search_for_studies(search_filters={"ModalitiesInStudy": "XX"}) == []
    assert read == [uids(2, 1, 1)[0]]


def test_the_index_of_this_machine_is_used_again(
    client: DICOMs3Client, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(client.search_for_instances()) == 4
    with DICOMs3Client(url, db_dir=tmp_path / "index") as other:
        monkeypatch.setattr(Derivation, "view", None)
        assert len(other.search_for_instances()) == 4
        assert len(other.retrieve_instance_frames(*uids(1, 1, 1), [1, 2])) == 2


def test_a_process_forgets_no_study_that_another_read_since_it_looked(
    client: DICOMs3Client, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, later = StudyIndex.read_shards, [stored(8, 1, 1)]
    client.search_for_studies()
    with open_tree(url) as tree, DICOMs3Client(url, db_dir=tmp_path / "index") as other:

        def read_shards(self: StudyIndex, names: Mapping[str, str]) -> dict[str, dict[str, dict[str, Any]]]:
            found = read(self, names)
            if later:
                add(tree, later.pop())
                other.update()
                other.search_for_studies()
            return found

        add(tree, stored(7, 1, 1))
        monkeypatch.setattr(StudyIndex, "read_shards", read_shards)
        client.update()
        assert [len(one.search_for_studies()) for one in (other, client)] == [4, 4]


def test_a_shard_that_a_list_lacks_as_it_is_replaced_is_looked_for_again(
    client: DICOMs3Client, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, shards = [True], StudyIndex.shards
    client.search_for_studies(search_filters={"PatientID": "nobody"})  # reads no study
    with open_tree(url) as tree:
        add(tree, stored(3, 1, 1))
    monkeypatch.setattr(StudyIndex, "shards", lambda self: {} if listed and listed.pop() else shards(self))
    client.update()
    assert len(client.search_for_studies()) == 3


def rebuilt(client: DICOMs3Client, data_set: Dataset) -> Dataset:
    path = (data_set.StudyInstanceUID, data_set.SeriesInstanceUID, data_set.SOPInstanceUID)
    return client.retrieve_instance(*path)


def test_a_rebuilt_file_has_all_attributes_and_pixels(client: DICOMs3Client) -> None:
    for original in (
        stored(1, 1, 1, SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Eva"),
        stored(1, 1, 2, IMPLICIT),
    ):
        expected = dcmread(BytesIO(original))
        client.store_instances([expected])
        found = rebuilt(client, expected)
        assert found.file_meta.TransferSyntaxUID == EXPLICIT
        assert found.PixelData == expected.PixelData
        del found.PixelData, expected.PixelData
        found.pop("SpecificCharacterSet", None), expected.pop("SpecificCharacterSet", None)
        assert found.to_json_dict() == expected.to_json_dict()


def test_bulk_data_and_private_attributes_are_in_a_rebuilt_file(client: DICOMs3Client) -> None:
    data_set = data_set_of(4, 1, 1)
    block = data_set.private_block(0x0029, "ACME", create=True)
    block.add_new(1, "OB", bytes(range(256)) * 200)
    item = Dataset()
    item.add_new(0x00429999, "OB", b"\1\2" * 20_000)
    data_set.add_new(0x00089215, "SQ", [item])
    client.store_instances([data_set])
    found = rebuilt(client, data_set)
    assert found[0x0029, 0x1001].value == bytes(range(256)) * 200
    assert found[0x00089215].value[0][0x00429999].value == b"\1\2" * 20_000
    metadata = client.retrieve_instance_metadata(*uids(4, 1, 1))
    assert client.retrieve_bulkdata(metadata["00291001"]["BulkDataURI"]) == [bytes(range(256)) * 200]
    assert client.retrieve_bulkdata(metadata["00291001"]["BulkDataURI"], byte_range=(1, 2)) == [b"\1\2"]
    nested = metadata["00089215"]["Value"][0]["00429999"]["BulkDataURI"]
    assert client.retrieve_bulkdata(nested) == [b"\1\2" * 20_000]


def test_frames_of_single_bits_follow_each_other_without_a_gap(client: DICOMs3Client) -> None:
    data_set = data_set_of(5, 1, 1, Rows=3, Columns=5, NumberOfFrames=3, BitsAllocated=1, BitsStored=1, HighBit=0)
    bits = np.random.default_rng(7).integers(0, 2, 45, dtype=np.uint8)
    data_set.PixelData = np.packbits(bits, bitorder="little").tobytes()
    client.store_instances([data_set])
    assert rebuilt(client, data_set).PixelData == data_set.PixelData
    [second] = client.retrieve_instance_frames(*uids(5, 1, 1), [2])
    assert second == np.packbits(bits[15:30], bitorder="little").tobytes()


def test_frames_with_odd_lengths_and_frames_in_one_object_are_rebuilt(client: DICOMs3Client, url: str) -> None:
    compressed = data_set_of(6, 1, 1)
    compressed.PixelData = encapsulate([b"\xff\x4f" + bytes([number] * number) for number in (1, 2, 3)])
    with open_tree(url) as tree:
        add(tree, encoded(compressed, JPEG2000Lossless), stored(6, 1, 2), together_from=2)
    for number in (1, 2):
        path = uids(6, 1, number)
        frames = client.retrieve_instance_frames(*path, [3, 1], (("application/octet-stream", "*"), ("image/jp2", "*")))
        found = client.retrieve_instance(*path)
        stream = BytesIO()
        dcmwrite(stream, found, enforce_file_format=True)
        assert len(frames) == 2
        assert [bool(frame in stream.getvalue()) for frame in frames] == [True, True]


def test_a_damaged_frame_is_never_returned(client: DICOMs3Client, tmp_path: Path) -> None:
    client.retrieve_instance_frames(*uids(2, 1, 1), [2])
    [path] = (tmp_path / "archive").glob(f"studies/{uids(2, 1, 1)[0]}/**/frames/2")
    path.write_bytes(path.read_bytes().replace(b"\x21\x21", b"\x22\x22"))
    with pytest.raises(UnreadableError):
        client.retrieve_instance_frames(*uids(2, 1, 1), [2])


@pytest.mark.parametrize("name", ["table", "all"])
def test_frames_in_an_object_that_is_cut_off_are_unreadable(client: DICOMs3Client, url: str, name: str) -> None:
    with open_tree(url) as tree:
        add(tree, stored(6, 1, 2), together_from=2)
    path = uids(6, 1, 2)
    assert len(client.retrieve_instance_frames(*path, [3])) == 1
    [file] = Path(url.removeprefix("file://")).rglob(f"{name}*")
    file.write_bytes(file.read_bytes()[:-1])
    with DICOMs3Client(url, in_memory=True) as later:
        # Frames by a table that is kept are right by their checksums.
        for one in [later] if name == "table" else [client, later]:
            with pytest.raises(UnreadableError):
                one.retrieve_instance_frames(*path, [3])


def test_an_object_that_is_replaced_while_a_folder_is_listed_is_left_out(tmp_path: Path) -> None:
    objects = FolderObjects(open_objects(tmp_path.as_uri()).store, tmp_path)
    (tmp_path / "here").write_bytes(b"x")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")  # named by its directory, but not there
    assert [one.key for one in objects.listed("")] == ["here"]


@pytest.mark.parametrize(
    ("variable", "is_another"),
    [
        ("AWS_ENDPOINT", True),
        ("AWS_ENDPOINT_URL", True),
        ("AWS_ENDPOINT_URL_S3", True),
        ("GOOGLE_BASE_URL", True),
        ("AZURE_STORAGE_ACCOUNT_NAME", True),
        ("AZURE_STORAGE_USE_EMULATOR", True),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", False),
    ],
)
@pytest.mark.parametrize("is_option", [True, False])
def test_buckets_of_the_same_name_on_two_servers_have_an_index_each(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    is_another: bool,  # noqa: FBT001
    is_option: bool,  # noqa: FBT001
) -> None:
    before = _index_path("s3://bucket", tmp_path, {})
    if not is_option:
        monkeypatch.setenv(variable, "http://another")
    after = _index_path("s3://bucket", tmp_path, {variable.lower(): "http://another"} if is_option else {})
    assert (before != after) == (is_another or is_option)


def test_a_read_only_client_stores_and_deletes_nothing(url: str) -> None:
    with DICOMs3Client(url, in_memory=True, readonly=True) as client:
        with pytest.raises(ForbiddenError):
            client.store_instances([data_set_of(1, 1, 5)])
        with pytest.raises(ForbiddenError):
            client.delete_study(uids(1, 1, 1)[0])


def _frame(client: DICOMs3Client) -> bytes:
    return client.retrieve_instance_frames(*uids(1, 1, 1), [2])[0]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_copy_works_in_another_process(client: DICOMs3Client, method: str) -> None:
    expected = _frame(client)
    with pickle.loads(pickle.dumps(client)) as copy:  # noqa: S301 - its own
        assert _frame(copy) == expected
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map_async(_frame, [client] * 4).get(60) == [expected] * 4


def _store(client: DICOMs3Client) -> None:
    client.store_instances([data_set_of(8, 1, 1)])


def test_a_forked_process_that_would_wait_for_ever_raises(client: DICOMs3Client) -> None:
    _store(client)
    with multiprocessing.get_context("fork").Pool(1) as pool, pytest.raises(UnreachableError, match="spawn"):
        pool.apply_async(_store, [client]).get(30)


def test_a_bucket_is_read_by_few_requests(s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    bucket = f"client-{uuid4().hex[:12]}"
    s3_server.make_bucket(bucket)
    url = f"s3://{bucket}/archive"
    with open_tree(url) as tree:
        add(tree, stored(1, 1, 1), stored(1, 1, 2), stored(2, 1, 1, IMPLICIT))
    with DICOMs3Client(url, db_dir=tmp_path / "index") as client:
        assert len(client.search_for_instances()) == 3
        client.update()
        requests = counted_requests(monkeypatch)
        expected = dcmread(BytesIO(stored(1, 1, 2))).PixelData
        assert b"".join(client.retrieve_instance_frames(*uids(1, 1, 2), [1, 2, 3])) == expected
        assert len(requests) == 3, requests
        client.update()
        assert len(requests) == 4, "nothing changed: one list"
        assert client.retrieve_instance(*uids(2, 1, 1)).PatientID == "P2"
        client.store_instances([data_set_of(3, 1, 1)])
        client.delete_study(uids(1, 1, 1)[0])
        assert set(values(client.search_for_studies(), "0020000D")) == {uids(n, 1, 1)[0] for n in (2, 3)}


def counted_requests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    requests: list[str] = []
    for name in ("read", "view", "read_range", "read_ranges", "head", "listed", "folders"):
        method = getattr(Objects, name)

        def count(self: Objects, *arguments: Any, _method: Any = method, _name: str = name) -> Any:
            requests.append(f"{_name} {arguments[0]}")
            return _method(self, *arguments)

        monkeypatch.setattr(Objects, name, count)
    return requests


def test_the_same_is_found_as_in_a_folder(client: DICOMs3Client, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for number, one in enumerate([stored(1, 1, 1), stored(1, 1, 2), stored(1, 2, 1), stored(2, 1, 1)]):
        (folder / str(number)).write_bytes(one)
    with DICOMfileClient(folder, in_memory=True) as files:
        for method in ("search_for_studies", "search_for_series", "search_for_instances"):
            found, expected = getattr(client, method)(), getattr(files, method)()
            for result in (*found, *expected):
                result.pop("00081190"), result.pop("00083002", None)
            assert sorted(found, key=str) == sorted(expected, key=str)


def test_frames_are_taken_in_another_form_that_the_archive_has(url: str, client: DICOMs3Client) -> None:
    form = Reversed.transfer_syntax_uid
    [stored_frame] = client.retrieve_instance_frames(*uids(1, 1, 1), [1])
    with open_tree(url) as tree:
        tree.add_form(Source.content(stored(1, 1, 1)), Reversed())
    frames = {
        instance: client.retrieve_instance_frames(*instance, [1], media_types=(("image/jphc", form),))[0]
        for instance in (uids(1, 1, 1), uids(2, 1, 1))
    }
    archived, made = frames.values()
    assert archived == stored_frame[::-1]
    assert made.startswith(b"\xff\x4f\xff\x51")
