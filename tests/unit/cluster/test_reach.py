"""An outage is told from a fault of a piece, and waited for at longer and longer intervals."""

from __future__ import annotations

import pytest
from framecache.cluster.piece import Outage
from framecache.cluster.reach import Reach

from tests.unit.fakes import FakeClock


class Archive:
    """Answers, or does not."""

    def __init__(self) -> None:
        self.is_out = False

    def head(self) -> None:
        if self.is_out:
            raise ConnectionError("no route")


def rests(reach: Reach, clock: FakeClock) -> float:
    """How long nothing is taken after a piece has failed."""
    with pytest.raises(Outage, match="the archive does not answer"):
        reach.check()
    begun = clock.now
    while not reach.may_take():
        clock.now += 0.5
    return clock.now - begun


def test_where_all_answers_the_piece_is_at_fault() -> None:
    reach = Reach({"Orthanc": lambda: None, "the archive": Archive().head}, FakeClock())
    reach.check()
    assert reach.may_take()


def test_an_outage_is_waited_for_longer_and_longer_until_a_piece_is_done() -> None:
    archive, clock = Archive(), FakeClock()
    reach = Reach({"the archive": archive.head}, clock)
    archive.is_out = True
    assert [rests(reach, clock) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    reach.done()
    assert rests(reach, clock) == 1


def test_pieces_that_fail_together_are_waited_for_once() -> None:
    archive, clock = Archive(), FakeClock()
    reach = Reach({"the archive": archive.head}, clock)
    archive.is_out = True
    for _ in range(4):
        with pytest.raises(Outage):
            reach.check()
    clock.now += 1
    assert reach.may_take()
