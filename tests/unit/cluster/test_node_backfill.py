"""A node takes the pieces of the backfill that it has room and time for, and gives back what it had when it stops."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from framecache.cluster.node_backfill import NodeBackfill
from framecache.cluster.piece import NotHere, Piece
from framecache.config.reading import Hours, parse_hours
from framecache.errors import SourceError, Stopping
from framecache.prefetch.backfill_plan import Allowance, Plan
from framecache.prefetch.events import InstanceDone

from tests.unit.dicom_files import native
from tests.unit.fakes import eventually, uuid
from tests.unit.harness import CachingBench

CONTENT = native(bytes(72))


class Bench(CachingBench):
    """One node whose backfill may take half of a cache of 1 MB."""

    def __init__(self, folder: Path, hours: Hours = Hours()) -> None:  # noqa: B008 - it is never changed
        super().__init__(folder)
        nobody: Any = None
        plan = Plan(starts=True, hours=hours, rate=0.0, newest_days=0, share=0.5)
        allowance = Allowance(plan, self.store, self.clock)
        self.backfill = NodeBackfill(nobody, nobody, self.scheduler, allowance, plan, self.clock)
        self.dispatcher.subscribe(InstanceDone, lambda event: self.backfill.done(event.orthanc_id))

    def piece(self, number: int, size: int = len(CONTENT)) -> Piece:
        return Piece(self.take_in(number), uuid(number), size)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.backfill.stop()
    made.close()


def test_a_piece_is_cached_here(bench: Bench) -> None:
    bench.start()
    piece = bench.piece(1)
    assert bench.backfill.do(piece) == len(CONTENT)
    assert list(bench.store.versions.of([piece.orthanc_id]).values()) == [{piece.attachment_uuid}]


def test_a_piece_of_what_is_gone_is_no_work_and_one_of_a_broken_file_fails(bench: Bench) -> None:
    bench.start()
    piece = bench.piece(2)
    bench.api.delete(piece.orthanc_id)
    assert bench.backfill.do(piece) == 0
    with pytest.raises(SourceError):
        bench.backfill.do(Piece(bench.take_in(5, content=bytes(900)), uuid(5), 900))


def test_a_piece_that_does_not_fit_here_is_for_another_node(bench: Bench) -> None:
    with pytest.raises(NotHere):
        bench.backfill.do(bench.piece(3, size=bench.store.limit))


def test_what_is_at_work_as_the_node_stops_goes_back(bench: Bench) -> None:
    piece, ended = bench.piece(4), list[type]()

    def work() -> None:
        try:
            bench.backfill.do(piece)
        except Stopping:
            ended.append(Stopping)

    thread = threading.Thread(target=work)
    thread.start()
    assert eventually(lambda: bench.scheduler.queue_length == 1)
    bench.backfill.stop()
    thread.join(10)
    assert ended == [Stopping]


def test_a_node_takes_nothing_outside_its_hours(bench: Bench, tmp_path: Path) -> None:
    assert bench.backfill.may_take()
    closed = Bench(tmp_path / "closed", parse_hours("00:00-00:01"))
    closed.clock.now += 86_400 / 2
    assert not closed.backfill.may_take()
    closed.close()
