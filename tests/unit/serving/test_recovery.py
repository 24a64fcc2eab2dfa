"""Whoever asks for an instance that changes meanwhile is answered, and nobody is kept for ever."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from framecache.dicom.identity import InstancePath
from framecache.errors import FrameCacheError, InstanceGone
from framecache.serving.answer import Answer
from framecache.serving.frame_location import DamagedFrame
from framecache.serving.recovery import RecoveryLoop
from framecache.serving.representations import Form

from tests.unit.dicom_files import INSTANCE, SERIES, STUDY
from tests.unit.fakes import FakeClock, WatchedStore
from tests.unit.harness import Harness

PATH = InstancePath(STUDY, SERIES, INSTANCE)
ANSWER = Answer(200, "text/plain", {}, memoryview(b"a frame"))


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[RecoveryLoop]:
    harness = Harness(tmp_path, WatchedStore(), FakeClock())
    yield RecoveryLoop(harness.catalogue)
    harness.close()


@pytest.mark.parametrize(
    ("error", "times", "is_answered"),
    [
        (InstanceGone("replaced"), 9, True),
        (InstanceGone("replaced"), 10, False),
        (DamagedFrame("damaged"), 2, True),
        (DamagedFrame("damaged"), 3, False),
    ],
)
def test_it_tries_again_but_not_for_ever(
    loop: RecoveryLoop,
    error: FrameCacheError,
    times: int,
    is_answered: bool,  # noqa: FBT001
) -> None:
    tries = iter(range(100))

    def attempt(_: frozenset[Form]) -> Answer:
        if next(tries) < times:
            raise error
        return ANSWER

    if is_answered:
        assert loop.answer(PATH, attempt) is ANSWER
        return
    with pytest.raises(type(error)):
        loop.answer(PATH, attempt)
