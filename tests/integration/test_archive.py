"""An archive in a bucket: written behind the cache, read where the stored file is not at hand, and never waited for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from framecache.dicom.identity import InstancePath
from framecache.errors import NotFound
from framecache.tree.record import Record
from framecache.tree.tree import Tree

from dev.console import CHECKOUT
from dev.s3 import S3Server
from dev.sample import Sample
from tests.integration.archive import Archive, Endings, running, wait_until

pytestmark = pytest.mark.orthanc

SCRIPT = CHECKOUT / "dev/storage_in_bucket.py"
SAMPLE = Sample(frames=4, rows=600, columns=500)
UNREACHABLE = "s3://no-bucket-of-that-name/archive"


@pytest.fixture(scope="module")
def bucket(suite: str, s3_server: S3Server) -> Iterator[str]:
    """Its name; Orthanc finds the server by its environment."""
    name = f"archive-of-{suite}"
    s3_server.make_bucket(name)
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in s3_server.environment.items():
            patch.setenv(variable, value)
        yield name


@pytest.fixture(scope="module")
def tree(s3_server: S3Server, bucket: str) -> Iterator[Tree]:
    with Tree.open(f"s3://{bucket}/archive", options=s3_server.settings) as tree:
        yield tree


@pytest.fixture(scope="module")
def writer(suite: str, folder: Path, endings: Endings, bucket: str) -> Iterator[Archive]:
    """An Orthanc with its files in a folder."""
    settings = {"Archive": f"s3://{bucket}/archive"}
    with running(suite, folder / "writer", {"FrameCache": settings}, endings=endings) as archive:
        yield archive


@pytest.fixture(scope="module")
def reader(suite: str, folder: Path, endings: Endings, bucket: str) -> Iterator[Archive]:
    """Another one, with its files in the bucket; it is not told where."""
    configuration: dict[str, Any] = {
        "PythonScript": str(SCRIPT),
        "StorageBucket": f"s3://{bucket}/orthanc",
        "FrameCache": {
            "Archive": f"s3://{bucket}/archive",
            "ArchiveWrite": "never",
            "Rules": [{"Extract": "demand"}],
            "RevalidateSeconds": 0.3,
        },
    }
    with running(suite, folder / "reader", configuration, endings=endings) as archive:
        yield archive


def record_of(tree: Tree, sample: Sample) -> Record | None:
    try:
        path = InstancePath(sample.study_instance_uid, sample.series_instance_uid, sample.sop_instance_uid)
        return tree.record(path)
    except NotFound:
        return None


def size_of(tree: Tree, sample: Sample) -> int:
    record = record_of(tree, sample)
    return record.origin.size if record else 0


def written(tree: Tree, sample: Sample) -> bool:
    return record_of(tree, sample) is not None


def test_what_arrives_is_written_replaced_and_deleted(writer: Archive, tree: Tree) -> None:
    sample = replace(SAMPLE, seed=21)
    instance = writer.store(sample)
    wait_until(lambda: written(tree, sample), lambda: str(writer.status()["Archive"]))
    attachment = record_of(tree, sample)
    assert attachment is not None
    assert attachment.origin.md5

    other = replace(sample, kind="ultrasound", frames=3)
    writer.store(other, cached=False)
    wait_until(lambda: (record := record_of(tree, sample)) is not None and record.number_of_frames == 3)
    assert writer.status()["ArchiveDeleted"] == 0

    writer.delete(f"/instances/{instance.orthanc_id}")
    wait_until(lambda: not written(tree, sample), lambda: str(writer.status()["Archive"]))
    assert writer.status()["Archive"]["Fault"] is None


def test_another_orthanc_reads_frames_of_the_same_file_from_it(writer: Archive, reader: Archive, tree: Tree) -> None:
    sample = replace(SAMPLE, seed=22)
    writer.store(sample)
    wait_until(lambda: written(tree, sample), lambda: str(writer.status()["Archive"]))
    instance = reader.store(sample, cached=False)

    first = reader.frames(instance, "3")
    status = reader.status()
    assert first.headers["X-Frame-Cache"] == "miss"
    assert status["ArchiveReads"] >= 1
    assert status["ArchiveFaults"] == 0
    assert reader.parts(instance, "3") == reader.stock_parts(instance, "3")
    reader.wait_until_cached(instance)
    assert [reader.frames(instance, str(n)).headers["X-Frame-Cache"] for n in (1, 2, 3, 4)] == ["hit"] * 4
    assert [part.payload for part in reader.parts(instance, "1,4")] == [
        part.payload for part in writer.parts(instance, "1,4")
    ]


def test_of_another_file_with_the_same_uids_nothing_is_read(writer: Archive, reader: Archive, tree: Tree) -> None:
    sample = replace(SAMPLE, seed=23)
    writer.store(sample)
    wait_until(lambda: written(tree, sample), lambda: str(writer.status()["Archive"]))
    other = replace(sample, kind="ultrasound")
    instance = reader.store(other, cached=False)
    before = reader.status()["ArchiveReads"]

    assert reader.parts(instance, "2") == reader.stock_parts(instance, "2")
    assert reader.status()["ArchiveReads"] == before


def test_an_archive_out_of_reach_holds_up_nothing(suite: str, tmp_path: Path, bucket: str) -> None:
    del bucket  # whose server does not know the one that is set
    with running(suite, tmp_path, {"FrameCache": {"Archive": UNREACHABLE}}, in_order=False) as archive:
        instance = archive.store(SAMPLE)
        assert archive.frames(instance, "1").headers["X-Frame-Cache"] == "hit"
        wait_until(lambda: archive.status()["Archive"]["Fault"] is not None)

        status = archive.status()
        assert status["Archive"]["Behind"] > 0
        assert status["Degraded"] is None
        assert "archiving failed" in archive.log


def test_a_ledger_that_was_lost_is_made_up_for(suite: str, tmp_path: Path) -> None:
    url, ledger = (tmp_path / "archive").as_uri(), tmp_path / "orthanc/FrameCache/archive.sqlite"
    gone, kept = replace(SAMPLE, seed=24), replace(SAMPLE, seed=25)
    with (
        running(suite, tmp_path / "orthanc", {"FrameCache": {"Archive": url}}, in_order=False) as archive,
        Tree.open(url) as tree,
    ):
        instance = archive.store(gone)
        archive.store(kept)
        wait_until(lambda: written(tree, gone) and written(tree, kept), lambda: str(archive.status()["Archive"]))
        archive.server.kill()
        for file in ledger.parent.glob("archive.sqlite*"):
            file.unlink()
        archive.server.start()
        archive.wait_until_checked()
        archive.delete(f"/instances/{instance.orthanc_id}")

        wait_until(lambda: not written(tree, gone), lambda: str(archive.status()["Archive"]))
        assert written(tree, kept)
        assert "archive.sqlite was lost: comparing the archive with Orthanc" in archive.log
        wait_until(lambda: archive.status()["Archive"]["Comparison"] is None)
