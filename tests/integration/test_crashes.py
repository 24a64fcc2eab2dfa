"""Killed at random moments, Orthanc starts again, serves no wrong byte, and its cache is in order."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.integration.archive import running
from tests.integration.crashes import SECTION, crash, store_all

pytestmark = [pytest.mark.orthanc, pytest.mark.slow]

KILLS = 5  # of each suite; the soak makes a hundred


def test_killed_at_random_moments_it_starts_serves_and_counts_right(suite: str, tmp_path: Path) -> None:
    chance = random.Random(suite)
    with running(suite, tmp_path, SECTION, in_order=False) as archive:
        known = store_all(archive)
        for _ in range(KILLS):
            crash(archive, known, chance)
