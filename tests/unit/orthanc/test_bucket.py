"""Stored files in a bucket: their names are found out, few bytes are read, and whatever is wrong is out of reach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from framecache.dicom.ranged_reader import OutOfReach
from framecache.errors import SettingsError
from framecache.orthanc.bucket import ObjectStore, Range, StorageBucket
from framecache.orthanc.instance import Instance
from framecache.telemetry.metrics import Metrics
from framecache.threads import Desk

from tests.unit.fakes import FakeClock, instance, recorded_log

CONTENT = bytes(range(250)) * 4
NAMES = ("{uuid}.dcm", "{uuid:.2}/{part}/{uuid}", "{uuid}")


class FakeObjects:
    """A bucket in memory."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.error: Exception | None = None

    def get_range(self, name: str, start: int, end: int) -> Range:
        self.asked.append(name)
        if self.error is not None:
            raise self.error
        if name not in self.contents:
            raise FileNotFoundError(name)
        return Range(memoryview(self.contents[name])[start:end], len(self.contents[name]))


@dataclass
class Site:
    objects: FakeObjects
    clock: FakeClock
    metrics: Metrics
    bucket: StorageBucket

    def put(self, stored: Instance, shape: str = NAMES[0]) -> str:
        uuid = stored.attachment_uuid
        name = shape.format(uuid=uuid, part=uuid[2:4])
        self.objects.contents[name] = CONTENT
        return name


@pytest.fixture
def site() -> Iterator[Site]:
    objects, clock, metrics, desk = FakeObjects(), FakeClock(), Metrics(), Desk("test", 1)
    yield Site(objects, clock, metrics, StorageBucket(objects, desk, clock, metrics))
    desk.close()


@pytest.mark.parametrize("shape", NAMES)
def test_the_name_of_an_attachment_is_found_out_and_remembered(site: Site, shape: str) -> None:
    first, second = instance(1), instance(2)
    site.put(first, shape)
    name = site.put(second, shape)

    assert site.bucket.open(first).read_at(10, 5) == CONTENT[10:15]
    site.objects.asked.clear()
    assert site.bucket.open(second).read_at(0, 1000) == CONTENT
    assert site.objects.asked == [name]


def test_of_a_long_file_only_ranges_are_read(site: Site) -> None:
    stored = replace(instance(1), stored_size=10_000_000, file_size=10_000_000)
    site.objects.contents[f"{stored.attachment_uuid}.dcm"] = bytes(10_000_000)

    site.bucket.open(stored).read_at(0, 1000)

    assert site.metrics["bucket_reads"] == 1
    assert 1000 <= site.metrics["bucket_bytes"] <= 100_000


def test_a_file_that_orthanc_compressed_is_not_looked_for(site: Site) -> None:
    assert site.bucket.holds(instance(1))
    assert not site.bucket.holds(replace(instance(1), stored_size=900))


def test_a_file_of_another_length_such_as_an_encrypted_one_is_out_of_reach(site: Site) -> None:
    stored = instance(1)
    site.objects.contents[f"{stored.attachment_uuid}.dcm"] = CONTENT + bytes(40)

    with pytest.raises(OutOfReach, match="another length"):
        site.bucket.open(stored).read_at(0, 10)
    assert site.bucket.holds(stored)


def test_a_file_that_is_not_there_is_out_of_reach_and_others_are_not(site: Site) -> None:
    with pytest.raises(OutOfReach, match="not in the bucket"):
        site.bucket.open(instance(1)).read_at(0, 10)
    assert site.bucket.holds(instance(2))
    assert site.metrics["bucket_faults"] == 1


def test_after_a_fault_nobody_waits_for_the_bucket_for_a_while(site: Site) -> None:
    stored = instance(1)
    site.put(stored)
    site.objects.error = ConnectionError("refused\nwith many details")

    with recorded_log() as log, pytest.raises(OutOfReach, match="cannot be read"):
        site.bucket.open(stored).read_at(0, 10)
    assert not site.bucket.holds(stored)
    assert site.metrics["bucket_faults"] == 1
    assert "refused" in log.of("warning")[0]
    assert "details" not in log.of("warning")[0]

    site.clock.now += 11
    site.objects.error = None
    assert site.bucket.holds(stored)
    assert site.bucket.open(stored).read_at(0, 10) == CONTENT[:10]


def test_obstore_reads_ranges_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "one.dcm").write_bytes(CONTENT)
    objects = ObjectStore(tmp_path.as_uri())

    found = objects.get_range("one.dcm", 5, 15)

    assert (bytes(found.content), found.size) == (CONTENT[5:15], len(CONTENT))
    with pytest.raises(FileNotFoundError):
        objects.get_range("two.dcm", 5, 15)


def test_an_address_that_obstore_does_not_take_is_an_error_of_the_settings() -> None:
    with pytest.raises(SettingsError, match="cannot be used"):
        ObjectStore("s3://")
