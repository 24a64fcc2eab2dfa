"""What belongs to an instance that is opened or arrives is cached behind it: once, and only as far as it is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from framecache.errors import SourceError
from framecache.instances.entry import Entry
from framecache.orthanc.studies import Study
from framecache.prefetch.related import RelatedNote, RelatedStudies
from framecache.prefetch.task import Priority

from tests.unit.fakes import FakeClock, FakeLog, eventually, instance


class Archive:
    """Stands for Studies, Admission and Scheduler."""

    def __init__(self) -> None:
        self.submitted: list[tuple[str, Priority]] = []
        self.asked: list[tuple[str, int, bool]] = []
        self.on_demand: list[bool] = []
        self.fails = False
        self.on_submit: Callable[[], object] = lambda: None

    def related(self, orthanc_id: str, level: str) -> list[str]:
        if self.fails:
            raise SourceError("Orthanc refuses")
        return [orthanc_id, f"{level} of {orthanc_id}", "not worth it"]

    def priors(self, study_id: str, most: int, *, same_modality: bool) -> list[Study]:
        self.asked.append((study_id, most, same_modality))
        return [Study("newer prior", "20250101", ""), Study("older prior", "20240101", "")]

    def instances(self, study_id: str) -> list[str]:
        return [f"{study_id} {number}" for number in range(250)]

    def admit(self, orthanc_ids: Sequence[str], *, on_demand: bool) -> Iterator[tuple[Any, str]]:
        assert len(orthanc_ids) <= 200
        self.on_demand.append(on_demand)
        return ((SimpleNamespace(orthanc_id=one), "low") for one in orthanc_ids if one != "not worth it")

    def submit(self, orthanc_id: str, priority: Priority) -> bool:
        self.submitted.append((orthanc_id, priority))
        self.on_submit()
        return True


class Bench:
    def __init__(self, **values: Any) -> None:
        self.archive, self.clock = Archive(), FakeClock()
        parts: Any = self.archive
        self.related = RelatedStudies(parts, parts, parts, self.clock, **values)

    def open(self, number: int) -> str:
        one = instance(number)
        self.related.opened(Entry(one, None, 0.0))
        return one.orthanc_id

    def work_off(self) -> None:
        """What the thread would do by now."""
        while self.related.turn() == 0:
            pass


@pytest.fixture
def started() -> Iterator[Bench]:
    bench = Bench(opens="study")
    bench.related.start()
    yield bench
    bench.related.stop()


@pytest.mark.parametrize(("opens", "what"), [("instance", None), ("series", "series of"), ("study", "study of")])
def test_with_what_a_viewer_opens_its_series_or_study_is_cached(opens: str, what: str | None) -> None:
    bench = Bench(opens=opens)
    name = bench.open(1)
    bench.work_off()
    assert bench.archive.submitted == ([(f"{what} {name}", Priority.OPENED)] if what else [])
    assert bench.archive.on_demand == ([True] if what else [])


def test_a_study_is_looked_at_once_however_often_a_viewer_waits_and_again_after_a_while() -> None:
    bench = Bench(opens="study")
    for number in (1, 2, 1):
        bench.open(number)
        bench.work_off()
    assert len(bench.archive.submitted) == 1
    bench.clock.now += 299
    bench.open(1)
    bench.work_off()
    assert len(bench.archive.submitted) == 1
    bench.clock.now += 1
    bench.open(1)
    bench.work_off()
    assert len(bench.archive.submitted) == 2


def test_the_priors_of_a_new_study_are_cached_newest_first_when_it_has_settled() -> None:
    bench = Bench(priors=2, same_modality=False)
    for _ in range(3):
        bench.related.study_arrived("new")
    assert bench.related.turn() == 5
    assert bench.archive.asked == []
    bench.clock.now += 5
    bench.work_off()
    assert bench.archive.asked == [("new", 2, False)]
    expected = [f"{prior} prior {number}" for prior in ("newer", "older") for number in range(250)]
    assert bench.archive.submitted == [(name, Priority.PRIOR) for name in expected]
    assert not any(bench.archive.on_demand)  # nobody has opened them


def test_without_priors_a_new_study_costs_nothing() -> None:
    bench = Bench()
    bench.related.study_arrived("new")
    assert bench.related.waiting() == []


def test_what_is_opened_does_not_wait_for_new_studies_to_settle() -> None:
    bench = Bench(opens="series", priors=1)
    bench.related.study_arrived("new")
    bench.open(1)
    bench.work_off()
    assert [priority for _, priority in bench.archive.submitted] == [Priority.OPENED]
    assert len(bench.related.waiting()) == 1


def test_a_burst_of_new_studies_is_bounded() -> None:
    bench = Bench(priors=1, most_notes=10)
    for number in range(100):
        bench.related.study_arrived(f"{number}")
    assert [note.orthanc_id for note in bench.related.waiting()] == [f"{number}" for number in range(90, 100)]
    bench.related.study_arrived("99")  # remembered
    bench.related.study_arrived("0")  # forgotten, so looked at again
    assert [note.orthanc_id for note in bench.related.waiting()] == [*(f"{number}" for number in range(91, 100)), "0"]


def test_an_error_ends_nothing(started: Bench, log: FakeLog) -> None:
    started.archive.fails = True
    started.open(1)
    assert eventually(lambda: bool(log.of("info")))
    started.archive.fails = False
    started.clock.now += 300
    started.open(1)
    assert eventually(lambda: len(started.archive.submitted) == 1)


def test_a_note_waits_until_all_of_it_is_queued_and_can_be_taken_up_by_another_run() -> None:
    bench, other = Bench(opens="study", priors=1), Bench()
    name = bench.open(1)
    bench.related.study_arrived("new")
    left, seen = bench.related.waiting(), list[list[RelatedNote]]()
    assert left == [RelatedNote("study", name), RelatedNote("priors", "new")]
    bench.archive.on_submit = lambda: seen.append(bench.related.waiting())
    bench.work_off()
    assert seen == [left]  # until all of it is queued
    assert bench.related.waiting() == [RelatedNote("priors", "new")]

    for note in left:
        other.related.take_up(note)
    other.work_off()
    assert other.archive.submitted[0] == (f"study of {name}", Priority.OPENED)
    assert other.archive.asked == [("new", 0, True)]
