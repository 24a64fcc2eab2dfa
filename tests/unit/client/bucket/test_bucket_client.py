"""DICOMs3Client over bare objects: an index for all, which several writers keep, and reads of frames alone."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import obstore
import pytest
from framecache.client import DICOMs3Client, ForbiddenError, NotFoundError
from framecache.tree.objects import Objects
from obstore.store import S3Store

from dev.s3 import S3Server
from tests.unit.client.instances import data_set_of, stored, uids, values

INSTANCE = "00080018"


@dataclass(frozen=True)
class Bucket:
    """A bucket's prefix, and how it is opened."""

    url: str
    store: S3Store
    settings: dict[str, Any]

    def put(self, key: str, content: bytes) -> None:
        obstore.put(self.store, key, content)

    def client(self, **arguments: Any) -> DICOMs3Client:
        return DICOMs3Client(self.url, options=self.settings, **arguments)

    def segments(self) -> list[str]:
        return [str(one["path"]) for page in obstore.list(self.store, ".framecache") for one in page]


@pytest.fixture
def bucket(s3_server: S3Server) -> Bucket:
    name = f"bare-{uuid4().hex[:12]}"
    s3_server.make_bucket(name)
    return Bucket(f"s3://{name}/some/images", s3_server.store(name, "some/images"), s3_server.settings)


@pytest.fixture
def client(bucket: Bucket) -> Iterator[DICOMs3Client]:
    for number in (1, 2):
        bucket.put(f"x{number}/any name", stored(number, 1, 1))
    bucket.put("readme.txt", b"no DICOM")
    with bucket.client() as client:
        yield client


def found(client: DICOMs3Client) -> set[str]:
    return set(values(client.search_for_instances(), INSTANCE))


def of(*numbers: tuple[int, int, int]) -> set[str]:
    return {uids(*one)[2] for one in numbers}


def test_the_index_is_made_once_for_all(client: DICOMs3Client, bucket: Bucket) -> None:
    assert found(client) == of((1, 1, 1), (2, 1, 1))
    before = bucket.segments()
    bucket.put("later", stored(3, 1, 1))
    with bucket.client(readonly=True) as other:
        assert found(other) == of((1, 1, 1), (2, 1, 1)), "what nobody has indexed is not there yet"
        assert bucket.segments() == before
        client.update()
        assert uids(3, 1, 1)[2] == other.retrieve_instance(*uids(3, 1, 1)).SOPInstanceUID


def test_a_read_only_client_indexes_for_itself(bucket: Bucket) -> None:
    bucket.put("one", stored(1, 1, 1))
    with bucket.client(readonly=True) as client:
        assert found(client) == of((1, 1, 1))
    assert bucket.segments() == []


def test_frames_are_read_alone_and_a_look_again_is_one_request(
    client: DICOMs3Client, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[tuple[str, Any]] = []
    for name in ("read", "read_range", "read_range_of", "read_ranges", "head", "listed"):
        method = getattr(Objects, name)

        def noted(self: Objects, *arguments: Any, _method: Any = method, _name: str = name) -> Any:
            requests.append((_name, arguments))
            return _method(self, *arguments)

        monkeypatch.setattr(Objects, name, noted)
    frames = client.retrieve_instance_frames(*uids(1, 1, 1), [2])
    [(name, (_, _, length, _))] = requests
    assert (name, length) == ("read_range_of", len(frames[0]))
    for arguments, expected in (({"in_memory": True}, ["listed", "read"]), ({}, ["listed"])):
        requests.clear()
        with bucket.client(**arguments) as other:
            assert len(other.search_for_studies()) == 2
        names = [name for name, _ in requests]
        assert names == ["read", "head", *expected], "that it is no archive; the list; what is not on this machine yet"


def test_what_others_replace_and_remove_is_seen(client: DICOMs3Client, bucket: Bucket) -> None:
    bucket.put("x1/any name", stored(1, 1, 1, PatientName="New^Name", StudyDescription="longer"))
    obstore.delete(bucket.store, "x2/any name")
    assert client.retrieve_instance(*uids(1, 1, 1)).PatientName == "New^Name"
    with pytest.raises(NotFoundError):
        client.retrieve_instance_frames(*uids(2, 1, 1), [1])
    with bucket.client() as other:
        assert found(other) == of((1, 1, 1))


def test_a_copy_of_a_removed_object_has_its_place(client: DICOMs3Client, bucket: Bucket) -> None:
    bucket.put("copy", stored(1, 1, 1))
    client.update()
    obstore.delete(bucket.store, "x1/any name")
    client.update()
    assert found(client) == of((1, 1, 1), (2, 1, 1))
    assert len(client.retrieve_instance_frames(*uids(1, 1, 1), [1])) == 1


def test_it_stores_deletes_and_stores_again(client: DICOMs3Client, bucket: Bucket) -> None:
    for _ in range(2):
        client.store_instances([data_set_of(4, 1, 1)])
        assert uids(4, 1, 1)[2] in found(client)
        client.delete_study(uids(4, 1, 1)[0])
        assert uids(4, 1, 1)[2] not in found(client)
    with bucket.client(readonly=True) as other:
        assert found(other) == of((1, 1, 1), (2, 1, 1))
        with pytest.raises(ForbiddenError):
            other.store_instances([data_set_of(4, 1, 1)])


def test_an_object_in_whose_place_another_instance_is_stays(client: DICOMs3Client, bucket: Bucket) -> None:
    bucket.put("x1/any name", stored(3, 1, 1))
    client.delete_instance(*uids(1, 1, 1))
    assert found(client) == of((2, 1, 1), (3, 1, 1))


def _write(bucket: tuple[str, dict[str, Any]], writer: int) -> None:
    with DICOMs3Client(bucket[0], options=bucket[1]) as client:
        for number in range(1, 3):
            client.store_instances([data_set_of(writer, 1, number)])
        client.delete_instance(*uids(writer, 1, 1))
        client.update()


def test_four_writers_lose_nothing(bucket: Bucket) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        pool.starmap_async(_write, [((bucket.url, bucket.settings), writer) for writer in range(1, 5)]).get(120)
    expected = of(*((writer, 1, number) for writer in range(1, 5) for number in (2,)))
    with bucket.client() as client:
        assert found(client) == expected
        client.update()
        assert found(client) == expected


def test_a_copy_reads_the_index_anew(client: DICOMs3Client) -> None:
    copy = pickle.loads(pickle.dumps(client))  # noqa: S301 - its own
    assert found(copy) == found(client)
    assert copy.retrieve_instance_frames(*uids(1, 1, 1), [3, 1]) == client.retrieve_instance_frames(
        *uids(1, 1, 1), [3, 1]
    )
