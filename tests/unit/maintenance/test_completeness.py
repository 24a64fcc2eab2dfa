"""A series that stays incomplete is told of once, and again when it is complete; senders are asked seldom, and once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from framecache.errors import NotFound, SourceError
from framecache.maintenance.completeness import Completeness
from framecache.orthanc.hierarchy import StoredSeries
from framecache.orthanc.senders import Senders
from framecache.telemetry.events import Events

from tests.unit.fakes import FakeClock, eventually

SERIES = "series-1"
TITLE = "MG_ROOM"


class Orthanc:
    """One series of a sender that says how many instances it has; `fails` says that it does not answer."""

    def __init__(self) -> None:
        self.stored, self.found = 3, "5"
        self.announced: int | None = None
        self.asked, self.fails, self.title = 0, False, TITLE

    def series(self, series_id: str) -> StoredSeries:
        if not self.stored:
            raise NotFound("gone")
        return StoredSeries(series_id, "study-1", "1.2.3", [f"i{n}" for n in range(self.stored)], self.announced)

    def study_instance_uid(self, study_id: str) -> str:
        assert study_id == "study-1"
        return "1.2"

    def get(self, uri: str) -> bytes:
        if uri == "/instances/i0/metadata/RemoteAET":
            return self.title.encode()
        if uri == "/modalities?expand":
            return b'{"other": {"AET": "CT"}, "room": {"AET": "MG_ROOM", "Host": "127.0.0.1"}}'
        assert uri == "/queries/q/answers?expand&simplify"
        answer = f'{{"SeriesInstanceUID": "1.2.3", "NumberOfSeriesRelatedInstances": "{self.found}"}}'
        return f'[{{"SeriesInstanceUID": "1.2.4"}}, {answer}]'.encode()

    def post(self, uri: str, body: bytes) -> bytes:
        assert (uri, b"NumberOfSeriesRelatedInstances" in body) == ("/modalities/room/query", True)
        self.asked += 1
        if self.fails:
            raise SourceError("no association")
        return b'{"ID": "q"}'


class Bench:
    def __init__(self, *, asks: bool) -> None:
        self.orthanc, self.clock = Orthanc(), FakeClock()
        self.events = Events(self.clock)
        hierarchy: Any = self.orthanc
        senders = Senders(self.orthanc) if asks else None
        self.watch = Completeness(
            hierarchy, senders, self.events, self.clock, 100.0, look_seconds=0.01, ask_seconds=10.0
        )
        self.watch.arrived(SERIES)
        self.watch.start()

    def told(self) -> list[tuple[str, str]]:
        return [(event.kind, event.text) for event in self.events.since(0, 100).events]

    def after(self, seconds: float, condition: Callable[[], bool]) -> bool:
        self.clock.now += seconds
        return eventually(condition)


@pytest.fixture(params=[True, False], ids=["the sender is asked", "the instances say"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = Bench(asks=request.param)
    made.orthanc.announced = None if request.param else 5
    yield made
    made.watch.stop()


def test_a_series_that_stays_incomplete_is_told_of_until_it_is_complete(bench: Bench) -> None:
    bench.clock.now += 50
    assert not eventually(lambda: bool(bench.told()), seconds=0.1)
    assert bench.after(60, lambda: bench.watch.incomplete == 1)
    assert bench.told() == [("incomplete", "3 of 5 instances")]
    assert bench.watch.expected(bench.orthanc.series(SERIES)) == 5

    bench.orthanc.stored = 5
    assert bench.after(60, lambda: bench.watch.incomplete == 0)
    assert bench.told()[1:] == [("completed", "5 of 5 instances")]
    assert bench.orthanc.asked <= 1


def test_what_is_complete_in_time_or_gone_or_waited_for_long_enough_is_forgotten(bench: Bench) -> None:
    assert bench.after(110, lambda: bench.watch.incomplete == 1)
    bench.clock.now += 2000
    assert eventually(lambda: bench.watch.incomplete == 0)
    bench.orthanc.stored = 0
    bench.watch.arrived("another")
    bench.clock.now += 200
    assert not eventually(lambda: bench.watch.incomplete > 0, seconds=0.1)


@pytest.fixture
def asking() -> Iterator[Bench]:
    made = Bench(asks=True)
    yield made
    made.watch.stop()


def test_a_sender_that_does_not_answer_is_left_alone_for_a_while(asking: Bench) -> None:
    asking.orthanc.fails = True
    assert asking.after(20, lambda: asking.orthanc.asked == 1)
    for number in range(3):
        asking.watch.arrived(f"more-{number}")
    asking.clock.now += 20
    assert not eventually(lambda: asking.orthanc.asked > 1, seconds=0.1)
    assert not asking.told()


@pytest.mark.parametrize("title", ["UNKNOWN", ""])
def test_who_is_not_among_the_modalities_is_not_asked(asking: Bench, title: str) -> None:
    asking.orthanc.title = title
    asking.clock.now += 200
    assert not eventually(lambda: asking.orthanc.asked > 0 or bool(asking.told()), seconds=0.1)


@pytest.mark.parametrize("found", ["", "many", "-1", "9" * 20])
def test_a_number_that_is_none_tells_nothing(asking: Bench, found: str) -> None:
    asking.orthanc.found = found
    assert asking.after(20, lambda: asking.orthanc.asked == 1)
    assert asking.watch.expected(asking.orthanc.series(SERIES)) is None
