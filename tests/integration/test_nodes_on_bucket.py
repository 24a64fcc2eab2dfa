"""Two Orthancs on one PostgreSQL, their files in one bucket: no file tells, so Orthanc is asked at each request."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.console import CHECKOUT
from dev.postgresql import Postgresql
from dev.s3 import S3Server
from tests.integration.hammer import hammer
from tests.integration.nodes import two_nodes

pytestmark = [pytest.mark.orthanc, pytest.mark.slow]

SCRIPT = CHECKOUT / "dev/storage_in_bucket.py"


def test_each_answer_of_either_is_one_version_that_was_there(
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
    with Postgresql("forky") as postgresql, two_nodes("forky", tmp_path, postgresql, settings, others) as nodes:
        hammer(*nodes, in_folder=False)
