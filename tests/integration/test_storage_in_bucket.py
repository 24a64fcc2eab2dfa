"""Frames of an Orthanc whose files lie in a bucket: read by range, of the version that Orthanc holds."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import obstore
import pytest

from dev.console import CHECKOUT
from dev.s3 import S3Server
from dev.sample import Sample
from tests.integration.archive import Archive, Endings, running
from tests.integration.parts import parts_of

pytestmark = pytest.mark.orthanc

SCRIPT = CHECKOUT / "dev/storage_in_bucket.py"
LARGE = Sample(frames=12, rows=1000, columns=1000)
COMPRESSED = replace(LARGE, encoding="jpeg-2000", series_number=2)
SMALL = Sample(frames=5, rows=1500, columns=500)
SMALL_FRAME = 2 * 1500 * 500
REVALIDATE = 0.3
HEADER = 64 << 10  # which is read once more for metadata, some time after the arrival
# By their size: rules know no other condition that tells the samples apart.
RULES = [{"MaximumFrames": 5, "MinimumFrames": 5, "Extract": "never"}, {"Extract": "demand"}]


@pytest.fixture(scope="module")
def bucket(suite: str, s3_server: S3Server) -> str:
    name = f"storage-of-{suite}"
    s3_server.make_bucket(name)
    return f"s3://{name}/orthanc"


@pytest.fixture(scope="module")
def archive(suite: str, folder: Path, endings: Endings, s3_server: S3Server, bucket: str) -> Iterator[Archive]:
    """It caches what a viewer asks for, and nothing at arrival."""
    configuration: dict[str, Any] = {
        "PythonScript": str(SCRIPT),
        "StorageBucket": bucket,
        "FrameCache": {"StorageURL": bucket, "Rules": RULES, "RevalidateSeconds": REVALIDATE},
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.environment.items():
            patch.setenv(name, value)
        with running(suite, folder / "orthanc", configuration, endings=endings) as archive:
            yield archive


@contextmanager
def reads(archive: Archive) -> Iterator[Counter[str]]:
    """What was read from the bucket meanwhile."""
    counted: Counter[str] = Counter()
    before = archive.status()
    yield counted
    after = archive.status()
    counted.update({name: after[name] - before[name] for name in ("BucketReads", "BucketBytes", "BucketFaults")})


def number_of_files(s3_server: S3Server, bucket: str) -> int:
    name, _, prefix = bucket.removeprefix("s3://").partition("/")
    return sum(one["path"].endswith(".dcm") for one in obstore.list(s3_server.store(name, prefix)).collect())


@pytest.mark.parametrize("sample", [LARGE, COMPRESSED], ids=["native", "encapsulated"])
def test_one_frame_takes_its_own_bytes_and_few_others(archive: Archive, sample: Sample) -> None:
    instance = archive.store(replace(sample, seed=1), cached=False)

    with reads(archive) as read:
        answer = archive.frames(instance, "7")

    assert answer.headers["X-Frame-Cache"] == "miss"
    assert read["BucketFaults"] == 0
    # The instance is being cached since, which may have begun to read.
    assert read["BucketReads"] >= 2
    assert parts_of(answer) == archive.stock_parts(instance, "7")
    archive.wait_until_cached(instance)
    for number in range(1, sample.frames + 1):
        assert archive.frames(instance, str(number)).headers["X-Frame-Cache"] == "hit"
    assert archive.parts(instance, "1,12") == archive.stock_parts(instance, "1,12")


def test_a_frame_of_what_is_never_cached_is_read_by_range_each_time(archive: Archive) -> None:
    instance = archive.store(replace(SMALL, seed=2), cached=False)
    archive.frames(instance, "1")

    with reads(archive) as read:
        frames = [archive.frames(instance, str(number)) for number in (2, 3, 2)]

    assert [frame.headers["X-Frame-Cache"] for frame in frames] == ["miss"] * 3
    assert read["BucketBytes"] <= 1.1 * 3 * SMALL_FRAME + HEADER
    assert read["BucketReads"] <= 3 + 1


def test_a_whole_instance_is_sent_from_the_bucket_as_it_is_stored(archive: Archive, folder: Path) -> None:
    sample = replace(LARGE, seed=3)
    instance = archive.store(sample, cached=False)

    with reads(archive) as read:
        answer = archive.get(instance.path, accept="application/dicom; transfer-syntax=*")

    assert answer.content == sample.write(folder / "same.dcm").read_bytes()
    assert 0 <= read["BucketBytes"] - len(answer.content) <= HEADER


def test_metadata_takes_the_header_alone(archive: Archive) -> None:
    instance = archive.store(replace(LARGE, seed=5), cached=False)

    with reads(archive) as read:
        metadata = archive.get_json(f"{instance.path}/metadata")

    assert metadata[0]["00280008"]["Value"] == [LARGE.frames]
    assert 1 <= read["BucketReads"] <= 2  # it is made at arrival as well
    assert read["BucketFaults"] == 0
    assert read["BucketBytes"] <= 2 * HEADER


def test_of_what_was_replaced_or_deleted_nothing_is_sent(archive: Archive, s3_server: S3Server, bucket: str) -> None:
    sample = replace(LARGE, seed=4, frames=3)
    instance = archive.store(sample, cached=False)
    old = archive.parts(instance, "2")
    number = number_of_files(s3_server, bucket)

    archive.store(replace(sample, kind="ultrasound"), cached=False)
    assert number_of_files(s3_server, bucket) == number
    time.sleep(REVALIDATE)
    assert archive.parts(instance, "2") == archive.stock_parts(instance, "2") != old

    archive.delete(f"/instances/{instance.orthanc_id}")
    time.sleep(REVALIDATE)
    assert archive.frames(instance, "2").status_code == 404
