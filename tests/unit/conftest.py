"""What the unit tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.fakes import FakeLog, recorded_log
from tests.unit.own_files import OwnFiles


@pytest.fixture
def log() -> Iterator[FakeLog]:
    """What the package logs during the test."""
    with recorded_log() as log:
        yield log


@pytest.fixture
def own_files(tmp_path: Path) -> Iterator[OwnFiles]:
    """Faults of the disk, for files below the test's folder alone."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield OwnFiles(tmp_path, monkeypatch)
