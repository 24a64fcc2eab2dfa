"""Metadata that is kept is sent while the stored file is there; the rest is made of headers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from framecache.dicom.model.bulk_data import BASE
from framecache.errors import InstanceGone, NotFound, UnreadableHeader
from framecache.instances.headers import Headers, StoredHeader
from framecache.instances.metadata import Found, MetadataCatalogue, MetadataMaker
from framecache.orthanc.instance import DescribedInstance
from framecache.orthanc.instance_index import InstanceIndex
from framecache.store.metadata import InstanceMetadata

from tests.unit.dicom_files import INSTANCE, SERIES, STUDY, encoded, image, native
from tests.unit.fakes import FakeClock, WatchedStore, eventually, orthanc_id, uuid
from tests.unit.harness import Harness

REVALIDATE_SECONDS = 5.0


class Bench(Harness[WatchedStore, FakeClock]):
    """A catalogue of metadata over an Orthanc of its own."""

    def __init__(self, folder: Path, *, has_folder: bool = True) -> None:
        super().__init__(folder, WatchedStore(), FakeClock(), has_folder=has_folder)
        self.catalogue.trusts_files = has_folder
        self.maker = MetadataMaker(Headers(self.api, folder / "db"))
        self.metadata = MetadataCatalogue(
            self.api, self.store.metadata, self.maker, self.catalogue, self.clock, REVALIDATE_SECONDS
        )

    def found(self, *numbers: int) -> Found:
        return self.metadata.current([orthanc_id(number) for number in numbers])

    def kept(self, *numbers: int) -> Found:
        """As `found`, and what was made is written."""
        found = self.found(*numbers)
        self.store.metadata.keep(found.made)
        return found

    def names(self, found: Found) -> dict[str, str]:
        texts = {name: json.loads(one.text().replace(BASE, b"")) for name, one in found.metadata.items()}
        return {name: text["00100010"]["Value"][0]["Alphabetic"] for name, text in texts.items()}


@pytest.fixture(params=[True, False], ids=["in a folder", "elsewhere"])
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    bench = Bench(tmp_path, has_folder=request.param)
    yield bench
    bench.close()


@pytest.fixture
def of_folder(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_what_is_not_kept_is_made_and_what_is_kept_is_not_made_again(bench: Bench) -> None:
    for number in (1, 2):
        bench.take_in(number, native(bytes(72), PatientName=f"Name{number}"))
    first = bench.kept(1, 2, 3)

    assert bench.names(first) == {orthanc_id(1): "Name1", orthanc_id(2): "Name2"}
    assert [type(first.failed[orthanc_id(3)]), len(first.made)] == [NotFound, 2]
    bench.api.calls.clear()
    second = bench.found(1, 2)
    assert (second.metadata, second.made, second.failed) == (first.metadata, [], {})
    assert bench.api.calls == []


class SlowHeaders(Headers):
    """A header is read only when it may."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        super().__init__(bench.api, folder / "db")
        self.begun, self.may_end, self.reads = threading.Event(), threading.Event(), 0

    def read(self, instance: DescribedInstance) -> StoredHeader:
        self.reads += 1
        self.begun.set()
        assert self.may_end.wait(30)
        return super().read(instance)


class Name(str):
    """One that tells how often something was looked for by it."""

    looks = 0

    def __hash__(self) -> int:
        self.looks += 1
        return super().__hash__()


def test_what_is_asked_for_while_it_is_made_is_made_once(of_folder: Bench, tmp_path: Path) -> None:
    """A viewer asks for the series that has just arrived: two threads would share one interpreter for the same."""
    of_folder.take_in(1)
    [instance] = InstanceIndex(of_folder.api).describe([orthanc_id(1)]).values()
    name, headers = Name(instance.orthanc_id), SlowHeaders(of_folder, tmp_path)
    instance = replace(instance, orthanc_id=name)
    maker = MetadataMaker(headers)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(maker.make, instance)
        assert headers.begun.wait(30)
        looks = name.looks
        second = threads.submit(maker.make, instance)
        assert eventually(lambda: name.looks > looks)
        headers.may_end.set()

    assert first.result() is second.result()
    assert headers.reads == 1


def test_bulk_data_is_named_by_the_uids_in_the_header(of_folder: Bench) -> None:
    of_folder.take_in(1, native(bytes(72)))

    text = of_folder.found(1).metadata[orthanc_id(1)].text()
    uri = f"studies/{STUDY}/series/{SERIES}/instances/{INSTANCE}/bulk/7fe00010"
    assert b'"BulkDataURI":"\x1a' + uri.encode() in text


def test_a_replaced_instance_is_made_anew(bench: Bench) -> None:
    bench.take_in(1, native(bytes(72), PatientName="Before"))
    bench.kept(1)
    bench.clock.now += REVALIDATE_SECONDS
    bench.api.store(native(bytes(72), PatientName="After"), orthanc_id=orthanc_id(1), uuid=uuid(9))

    assert bench.names(bench.kept(1)) == {orthanc_id(1): "After"}
    assert bench.store.metadata.versions([orthanc_id(1)]) == {orthanc_id(1): uuid(9)}


def test_a_deleted_instance_is_not_found(bench: Bench) -> None:
    name = bench.take_in(1)
    bench.kept(1)
    bench.clock.now += REVALIDATE_SECONDS
    bench.api.delete(name)

    assert (bench.found(1).metadata, type(bench.found(1).failed[name])) == ({}, NotFound)


def test_orthanc_is_believed_for_a_while_where_no_file_tells(tmp_path: Path) -> None:
    bench = Bench(tmp_path, has_folder=False)
    bench.take_in(1)
    bench.kept(1)
    bench.api.calls.clear()

    bench.clock.now += REVALIDATE_SECONDS - 1
    assert bench.metadata.is_current(orthanc_id(1), uuid(1))
    bench.clock.now += 1
    assert not bench.metadata.is_current(orthanc_id(1), uuid(1))
    assert bench.api.calls == []
    found = bench.found(1)
    assert (list(found.metadata), found.made) == ([orthanc_id(1)], [])
    assert bench.api.calls == ["POST /tools/bulk-content"]
    assert bench.metadata.is_current(orthanc_id(1), uuid(1))
    bench.close()


def test_a_file_that_is_elsewhere_though_orthanc_keeps_files_itself_is_asked_for_twice(tmp_path: Path) -> None:
    bench = Bench(tmp_path, has_folder=False)
    bench.catalogue.trusts_files = True
    bench.take_in(1)

    assert list(bench.kept(1).metadata) == [orthanc_id(1)]
    assert any(call.endswith("/info") for call in bench.api.calls)
    assert bench.found(1).made == []
    bench.close()


def test_one_that_cannot_be_read_does_not_keep_others_from_being_found(of_folder: Bench) -> None:
    of_folder.take_in(1)
    of_folder.take_in(2, b"no DICOM file")
    found = of_folder.found(1, 2)

    assert list(found.metadata) == [orthanc_id(1)]
    assert isinstance(found.failed[orthanc_id(2)], UnreadableHeader)


def test_what_is_replaced_while_it_is_looked_at_is_looked_at_again(of_folder: Bench) -> None:
    class Late(MetadataMaker):
        tries = 0

        def make(self, instance: object) -> InstanceMetadata:
            self.tries += 1
            if self.tries == 1:
                raise InstanceGone("gone")
            return super().make(instance)  # type: ignore[arg-type]

    of_folder.take_in(1)
    late = Late(Headers(of_folder.api, of_folder.api.storage or Path()))
    parts = (of_folder.store.metadata, late, of_folder.catalogue, of_folder.clock, REVALIDATE_SECONDS)

    assert list(MetadataCatalogue(of_folder.api, *parts).current([orthanc_id(1)]).metadata) == [orthanc_id(1)]


def test_many_are_asked_for_in_few_questions(of_folder: Bench) -> None:
    for number in range(450):
        of_folder.take_in(number)
    of_folder.api.calls.clear()

    assert len(of_folder.found(*range(450)).metadata) == 450
    assert of_folder.api.calls == ["POST /tools/bulk-content"] * 3


@pytest.mark.parametrize("missing", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_a_header_without_uids_has_no_metadata(of_folder: Bench, missing: str) -> None:
    dataset = image()
    delattr(dataset, missing)
    of_folder.take_in(1, encoded(dataset))

    assert of_folder.found(1).metadata == {}
