"""Uploads, overwrites and deletes against readers, all at once, of one Orthanc: see `hammer.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.archive import running
from tests.integration.hammer import hammer

pytestmark = [pytest.mark.orthanc, pytest.mark.slow]

CONFIGURATIONS = {
    "storage in a folder": {},
    "storage compressed": {"StorageCompression": True},
}


@pytest.mark.parametrize("storage", CONFIGURATIONS)
def test_each_answer_is_one_version_that_was_there(suite: str, tmp_path: Path, storage: str) -> None:
    with running(suite, tmp_path, CONFIGURATIONS[storage], in_order=False) as archive:
        hammer(archive, in_folder=storage == "storage in a folder")
