"""What the unit tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.fakes import FakeLog, recorded_log


@pytest.fixture
def log() -> Iterator[FakeLog]:
    """What the package logs during the test."""
    with recorded_log() as log:
        yield log
