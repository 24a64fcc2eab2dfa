"""Metadata of new instances is made in the background, and nothing stale stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from framecache.instances.headers import Headers
from framecache.instances.metadata import MetadataMaker
from framecache.orthanc.instance import DescribedInstance, Instance
from framecache.prefetch.metadata_making import MetadataMaking
from framecache.store.metadata import InstanceMetadata

from tests.unit.fakes import FakeClock, WatchedStore, eventually, orthanc_id, uuid
from tests.unit.harness import Harness


class Bench(Harness[WatchedStore, FakeClock]):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder, WatchedStore(), FakeClock())
        self.made = list[str]()
        self.maker = MetadataMaker(Headers(self.api, folder / "db"))
        self.making = self.new()

    def new(self, **options: bool) -> MetadataMaking:
        return MetadataMaking(self.maker, self.store, self.catalogue.forget_stale, self.is_wanted, **options)

    def is_wanted(self, instance: DescribedInstance) -> bool:
        return instance.number_of_frames > 1

    def described(self, number: int) -> Instance:
        return Instance.from_find(self.api.instances[orthanc_id(number)].answer)

    def kept(self, *numbers: int) -> list[str]:
        return sorted(self.store.metadata.versions([orthanc_id(number) for number in numbers]))


def metadata(number: int) -> InstanceMetadata:
    return InstanceMetadata.pack(orthanc_id(number), uuid(number), b"{}")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.making.stop()
    bench.close()


def test_that_of_new_instances_is_made(bench: Bench) -> None:
    for number in range(500):
        bench.take_in(number)
    bench.making.start()
    bench.making.arrived([bench.described(number) for number in range(500)])

    assert eventually(lambda: len(bench.kept(*range(500))) == 500)


def test_what_arrives_before_the_start_waits_for_it(bench: Bench) -> None:
    bench.take_in(1)
    bench.making.arrived([bench.described(1)])
    assert bench.kept(1) == []

    bench.making.start()
    assert eventually(lambda: bench.kept(1) == [orthanc_id(1)])


def test_what_is_not_wanted_deleted_or_unreadable_is_passed_over(bench: Bench) -> None:
    bench.take_in(1, frames=1)
    bench.take_in(2, b"no DICOM file")
    deleted = bench.take_in(3)
    bench.take_in(4)
    arrived = [bench.described(number) for number in (1, 2, 3, 4)]
    bench.api.delete(deleted)
    bench.making.arrived(arrived)
    bench.making.start()

    assert eventually(lambda: bench.kept(1, 2, 3, 4) == [orthanc_id(4)])


def test_what_is_kept_is_not_made_again(bench: Bench) -> None:
    bench.take_in(1)
    bench.take_in(2)
    bench.store.metadata.keep([metadata(1)])
    bench.making.arrived([bench.described(1), bench.described(2)])
    bench.making.start()

    assert eventually(lambda: bench.kept(1, 2) == [orthanc_id(1), orthanc_id(2)])
    assert bench.store.metadata.of([orthanc_id(1)])[orthanc_id(1)].text() == b"{}"


def test_what_was_made_for_a_request_is_written(bench: Bench) -> None:
    bench.making.start()
    bench.making.keep([metadata(1)])

    assert eventually(lambda: bench.kept(1) == [orthanc_id(1)])


def test_a_site_may_want_that_of_cached_instances_alone(bench: Bench) -> None:
    bench.take_in(1)
    bench.store.records.keep(bench.described(1).to_json())
    making = bench.new(only_cached=True)
    making.keep([metadata(2), metadata(1)])
    making.start()

    assert eventually(lambda: bench.kept(1, 2) == [orthanc_id(1)])
    making.stop()


def test_what_was_deleted_before_it_is_written_is_not_written(bench: Bench) -> None:
    bench.making.keep([metadata(1), metadata(2)])
    bench.making.deleted(orthanc_id(1))
    bench.making.start()

    assert eventually(lambda: bench.kept(1, 2) == [orthanc_id(2)])


def test_what_is_deleted_while_it_is_written_is_removed(bench: Bench) -> None:
    keep = bench.store.metadata.keep

    def delete_meanwhile(made: Sequence[InstanceMetadata]) -> None:
        keep(made)
        bench.api.delete(orthanc_id(1))
        bench.making.deleted(orthanc_id(1))

    bench.take_in(1)
    bench.store.metadata.keep = delete_meanwhile  # type: ignore[method-assign, assignment]
    bench.making.arrived([bench.described(1)])
    bench.making.start()

    assert eventually(lambda: "POST /tools/bulk-content" in bench.api.calls and bench.kept(1) == [])


def test_of_a_flood_only_so_much_waits(bench: Bench) -> None:
    large = InstanceMetadata(orthanc_id(1), uuid(1), 0, bytes(40 << 20))
    bench.making.keep([large, large, metadata(2)])
    bench.store.metadata.keep([metadata(1)])
    bench.making.start()

    assert eventually(lambda: bench.kept(1, 2) == [orthanc_id(1), orthanc_id(2)])
