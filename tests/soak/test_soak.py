"""The soak itself, in 10 seconds; and that it fails where something grows or is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.soak.levels import MIB, Level, complaints
from tests.soak.marked import GONE, Slot, frame, version_of
from tests.soak.runner import soak

STEADY = [Level(5.0 * i, 0, 300 * MIB, 60, 70, 20 * MIB) for i in range(60)]


@pytest.mark.orthanc
@pytest.mark.slow
def test_ten_seconds_of_everything_at_once(tmp_path: Path) -> None:
    result = soak("trixie", tmp_path, 10.0)
    assert list(result.failures)[:5] == []
    assert result.starts["kills"] >= 1
    assert result.starts["restarts"] >= 1
    assert result.counts["frames verified"] > 100
    assert result.counts["stored"] > 3
    result.write(tmp_path / "report")
    assert json.loads((tmp_path / "report/soak-trixie.json").read_text())["counts"] == dict(result.counts)
    assert "passed" in (tmp_path / "report/soak-trixie.md").read_text()


@pytest.mark.parametrize(
    ("grow", "complaint"),
    [
        (lambda _, level: level, None),
        (lambda i, level: replace(level, resident=level.resident + (i % 7) * MIB), None),
        (lambda i, level: replace(level, resident=level.resident + i * 2 * MIB), "memory grew"),
        (lambda i, level: replace(level, descriptors=level.descriptors + i), "descriptors grew"),
        (lambda i, level: replace(level, threads=level.threads + i // 5), "threads grew"),
        (lambda i, level: replace(level, cache=(25 if i == 30 else 20) * MIB), "25.0 MiB of 24.0"),
        # What grows in a process that is then ended is not what stays.
        (lambda i, level: replace(level, start=i // 30, resident=level.resident - (i // 30) * 99 * MIB), None),
    ],
)
def test_what_grows_is_complained_of(grow: Callable[[int, Level], Level], complaint: str | None) -> None:
    found = list(complaints([grow(i, level) for i, level in enumerate(STEADY)], 24 * MIB))
    assert (complaint is None) == (found == [])
    assert complaint is None or any(complaint in one for one in found)


def test_a_frame_tells_what_it_is_and_a_wrong_one_is_seen() -> None:
    good = frame(3, 7, 2)
    assert version_of(good, 3, 2) == 7
    damaged = good[:5000] + bytes([good[5000] ^ 1]) + good[5001:]
    for content, slot, number in ((good, 4, 2), (good, 3, 1), (damaged, 3, 2), (good[:-1], 3, 2)):
        with pytest.raises(ValueError, match="frame"):
            version_of(content, slot, number)


def test_a_request_may_meet_what_was_there_meanwhile_and_nothing_older(tmp_path: Path) -> None:
    slot = Slot(1, tmp_path)
    slot.begin(GONE, 0)
    assert slot.since(slot.committed) == {GONE, 0}
    slot.commit()
    began = slot.committed
    assert slot.since(began) == {0}
    slot.begin(GONE, 1)
    slot.commit()
    assert slot.since(began) == {0, GONE, 1}
    assert slot.since(slot.committed) == {1}
