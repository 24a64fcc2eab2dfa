"""Two Orthancs on one PostgreSQL, their files in one bucket: no file tells, so Orthanc is asked at each request."""

from __future__ import annotations

from pathlib import Path

import pytest
from framecache.tree.tree import Tree

from dev.console import CHECKOUT
from dev.postgresql import Postgresql
from dev.s3 import S3Server
from dev.sample import Sample
from tests.integration.hammer import hammer
from tests.integration.nodes import two_nodes
from tests.integration.workers import Workers, check_archive, export_over_a_kill

pytestmark = [pytest.mark.orthanc, pytest.mark.slow]

SCRIPT = CHECKOUT / "dev/storage_in_bucket.py"


def test_each_answer_is_one_version_that_was_there_and_a_killed_worker_loses_nothing(
    tmp_path: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3_server.make_bucket("storage-of-nodes")
    bucket = "s3://storage-of-nodes/orthanc"
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    settings, others = (
        {"StorageURL": bucket, "RevalidateSeconds": 0},
        {"PythonScript": str(SCRIPT), "StorageBucket": bucket},
    )
    with Postgresql("trixie") as postgresql, two_nodes("trixie", tmp_path, postgresql, settings, others) as nodes:
        hammer(*nodes, in_folder=False)
        samples = [Sample(frames=4, rows=64, columns=96, series_number=1 + number) for number in range(10)]
        for sample in samples:
            nodes[0].store(sample, cached=False)
        archive = "s3://storage-of-nodes/archive"
        export_over_a_kill(Workers(nodes, postgresql, archive), ("--bucket", bucket), ("--bucket", bucket))
        with Tree.open(archive, options=s3_server.settings) as tree:
            check_archive(tree, samples)
