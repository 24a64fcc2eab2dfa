"""The backfill: newest first, each once, in its hours, in free room only, and over restarts."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest
from framecache.config.reading import Hours, parse_hours
from framecache.dicom.identity import InstancePath
from framecache.errors import SourceError
from framecache.orthanc.instance import Instance
from framecache.orthanc.studies import Study
from framecache.prefetch.backfill import Backfill
from framecache.prefetch.backfill_plan import BackfillState, Plan, Progress
from framecache.prefetch.backfill_search import Search
from framecache.prefetch.extraction_states import ExtractionState
from framecache.prefetch.task import Priority
from framecache.store.store import Degraded
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fakes import FakeClock, FakeLog, WatchedStore, eventually, instance

SIZE = 100
PLAN = Plan(starts=True, hours=Hours(), rate=0.0, newest_days=0, share=0.8)


class Archive:
    """Studies of two instances, newest first; stands for Studies and Admission."""

    def __init__(self, number: int = 10) -> None:
        self.studies = [Study(f"study {n}", f"202611{30 - n}", "-", f"1.2.{n}") for n in range(number)]
        self.asked: list[int] = []
        self.fails: dict[str, Exception] = {}
        self.not_worth_it: set[str] = set()
        self.oldest: date | None = None

    def newest_first(self, bookmark: str, _today: date, oldest: date | None) -> Iterator[Study]:
        self.oldest = oldest
        place = next((n + 1 for n, one in enumerate(self.studies) if one.bookmark == bookmark), 0)
        yield from self.studies[place:]

    def content(self, studies: Sequence[Study], _on_odd: object) -> Iterator[Sequence[Instance]]:
        self.asked.append(len(studies))
        for one in studies:
            if one.orthanc_id in self.fails:
                raise self.fails[one.orthanc_id]
        for number in range(2):  # Orthanc answers in whatever order
            yield [self._instance(one, number) for one in reversed(studies)]

    def _instance(self, study: Study, number: int) -> Instance:
        path = InstancePath(study.study_instance_uid, "1.2", f"1.2.{number}")
        return replace(instance(), orthanc_id=f"{study.orthanc_id}, {number}", path=path, file_size=SIZE)

    def number_of_instances(self, _oldest: date | None) -> int:
        return 2 * len(self.studies)

    def choose(self, instances: Sequence[Instance]) -> Iterator[tuple[Instance, str]]:
        return ((one, "low") for one in instances if one.orthanc_id not in self.not_worth_it)

    def complain(self, _error: Exception) -> None:
        raise AssertionError


class InstantScheduler:
    """Caches at once, as far as there is room, unless it is held."""

    def __init__(self, store: WatchedStore) -> None:
        self.store, self.filled, self.states = store, list[str](), dict[str, ExtractionState]()
        self.on_done: Any = None
        self.held, self.waiting, self.is_full = False, list[str](), False

    def submit(self, orthanc_id: str, priority: Priority) -> bool:
        assert priority == Priority.BACKFILL
        assert not self.waiting, "one at a time"
        if self.is_full:
            return False
        self.waiting.append(orthanc_id)
        if not self.held:
            self.finish()
        return True

    def finish(self, state: str = "cached") -> None:
        orthanc_id = self.waiting.pop()
        self.states[orthanc_id] = ExtractionState(state)
        if state == "cached":
            self.filled.append(orthanc_id)
            self.store.limit -= SIZE
        threading.Thread(target=self.on_done, args=(orthanc_id,)).start()

    def state(self, orthanc_id: str) -> ExtractionState | None:
        return self.states.get(orthanc_id)


class Bench:
    def __init__(self) -> None:
        self.archive, self.clock = Archive(), FakeClock()
        self.store = WatchedStore()
        self.store.space.used = lambda: self.used  # type: ignore[method-assign]
        self.store.space.left = lambda: self.room  # type: ignore[method-assign]
        self.used, self.room = 0, 1 << 30
        self.scheduler = InstantScheduler(self.store)
        self.begin()

    def begin(self, plan: Plan = PLAN, *, start: bool = False, look_seconds: float = 0.01) -> None:
        """One run of the plugin."""
        archive: Any = self.archive
        scheduler: Any = self.scheduler
        self.backfill = Backfill(
            archive, archive, scheduler, self.store, self.clock, plan, look_seconds=look_seconds, patience=0.3
        )
        self.scheduler.on_done = self.backfill.done
        if start:
            self.backfill.start()

    def reaches(self, state: BackfillState) -> bool:
        return eventually(lambda: self.backfill.state == state)

    @property
    def all_of_them(self) -> list[str]:
        return [f"study {study}, {n}" for study in range(10) for n in range(2)]


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.backfill.stop()


def test_all_is_brought_in_newest_first_one_at_a_time(bench: Bench) -> None:
    bench.archive.not_worth_it = {"study 1, 0"}
    bench.backfill.start()
    assert bench.reaches("done")

    expected = [name for name in bench.all_of_them if name != "study 1, 0"]
    assert bench.scheduler.filled == expected
    progress = bench.backfill.progress
    assert (progress.looked_at, progress.cached, progress.size, bench.backfill.total) == (20, 19, 19 * SIZE, 20)
    assert bench.backfill.seconds_left == 0


def test_what_was_done_is_not_done_again_after_a_restart(bench: Bench) -> None:
    bench.backfill.start()
    assert bench.reaches("done")
    bench.backfill.stop()
    bench.begin(start=True)
    assert bench.reaches("done")
    assert bench.scheduler.filled == bench.all_of_them
    assert bench.backfill.progress.looked_at == 20


def test_after_a_crash_it_goes_on_at_the_study_that_was_not_done(bench: Bench) -> None:
    bench.scheduler.held = True
    bench.backfill.start()
    for _ in range(5):
        assert eventually(lambda: bool(bench.scheduler.waiting))
        bench.clock.now += 3  # so that it is written down
        bench.scheduler.finish()
    assert eventually(lambda: bool(bench.scheduler.waiting))
    bench.backfill.stop()
    bench.scheduler.waiting.clear()
    bench.scheduler.held = False
    bench.begin(start=True)
    assert bench.reaches("done")
    assert bench.scheduler.filled == bench.all_of_them[:5] + bench.all_of_them[4:]


@pytest.mark.parametrize(
    ("setting", "starts"), [(True, True), (False, False)], ids=["by the setting", "not by the setting"]
)
def test_it_starts_by_itself_only_where_the_setting_says_so(bench: Bench, *, setting: bool, starts: bool) -> None:
    bench.begin(replace(PLAN, starts=setting), start=True)
    assert bench.reaches("done" if starts else "off")
    assert bool(bench.scheduler.filled) == starts
    bench.backfill.go_on()
    assert bench.reaches("done")


def test_a_pause_holds_over_a_restart_until_somebody_starts_it(bench: Bench) -> None:
    bench.scheduler.held = True
    bench.backfill.start()
    assert eventually(lambda: bool(bench.scheduler.waiting))
    bench.backfill.pause()
    assert Progress.from_text(bench.store.texts.get("backfill")).is_paused  # though one is at work
    bench.scheduler.finish()
    assert bench.reaches("paused")
    bench.backfill.stop()
    bench.scheduler.held = False
    bench.begin(start=True)
    assert not eventually(lambda: len(bench.scheduler.filled) > 1, 0.1)
    assert bench.backfill.state == "paused"
    bench.backfill.go_on()
    assert bench.reaches("done")
    bench.backfill.stop()
    bench.begin(start=True)
    assert bench.reaches("done")  # the start was written down as well


def test_a_pause_that_comes_before_the_notes_were_read_is_one(bench: Bench) -> None:
    bench.store.texts["backfill"] = Progress(bench.archive.studies[3].bookmark, looked_at=8).to_text()
    bench.backfill.pause()
    bench.backfill.start()
    assert eventually(lambda: bench.backfill.progress.looked_at == 8)
    assert eventually(lambda: Progress.from_text(bench.store.texts["backfill"]).is_paused)
    assert bench.backfill.state == "paused"
    bench.backfill.go_on()
    assert bench.reaches("done")
    assert bench.scheduler.filled == bench.all_of_them[8:]


def test_started_when_it_is_done_it_goes_through_all_once_more(bench: Bench) -> None:
    bench.backfill.start()
    assert bench.reaches("done")
    bench.backfill.go_on()
    assert eventually(lambda: bench.scheduler.filled == 2 * bench.all_of_them)
    assert bench.reaches("done")
    assert bench.backfill.progress.looked_at == 20


def test_it_waits_for_its_hours_and_ends_with_them(bench: Bench) -> None:
    def at(hour: int) -> float:
        return datetime(2026, 11, 21, hour).timestamp()

    bench.clock.now = at(12)
    bench.scheduler.held = True
    bench.begin(replace(PLAN, hours=parse_hours("19:00-06:00")), start=True)
    assert bench.reaches("waiting")
    assert not bench.scheduler.waiting
    bench.clock.now = at(20)
    assert eventually(lambda: bool(bench.scheduler.waiting))
    assert bench.backfill.state == "running"
    bench.clock.now = at(7)
    bench.scheduler.finish()
    assert bench.reaches("waiting")
    assert not bench.scheduler.waiting


@pytest.mark.parametrize("what", ["share", "room"])
def test_it_is_full_before_anything_would_have_to_go_and_goes_on_when_there_is_room(bench: Bench, what: str) -> None:
    share, limit = 0.8, bench.store.limit
    bench.scheduler.held = True
    bench.begin(replace(PLAN, share=share), start=True)
    assert eventually(lambda: bool(bench.scheduler.waiting))
    if what == "share":
        bench.used = int(share * limit) - SIZE + 1
    else:
        bench.room = SIZE - 1
    bench.scheduler.finish()
    assert bench.reaches("full")
    assert len(bench.scheduler.filled) == 1
    bench.used, bench.room, bench.scheduler.held = 0, SIZE, False
    assert bench.reaches("done")
    assert bench.scheduler.filled == bench.all_of_them


def test_an_instance_that_lost_its_room_to_others_is_tried_again(bench: Bench) -> None:
    bench.scheduler.held = True
    bench.backfill.start()
    assert eventually(lambda: bool(bench.scheduler.waiting))
    bench.room = SIZE - 1
    bench.scheduler.finish("skipped")
    assert bench.reaches("full")
    bench.room, bench.scheduler.held = 1 << 30, False
    assert bench.reaches("done")
    assert bench.scheduler.filled == bench.all_of_them


def test_what_is_larger_than_its_share_is_left_out(bench: Bench) -> None:
    bench.store.limit = SIZE
    bench.backfill.start()
    assert bench.reaches("done")
    assert bench.scheduler.filled == []


def test_it_waits_while_nothing_can_be_kept(bench: Bench) -> None:
    bench.store.degraded = Degraded(0.0, "Read-only file system")
    bench.backfill.start()
    assert bench.reaches("waiting")
    assert "Read-only" in bench.backfill.reason
    bench.store.degraded = None
    assert bench.reaches("done")


def test_a_study_that_orthanc_cannot_tell_about_stops_nothing(bench: Bench, log: FakeLog) -> None:
    bench.archive.fails = {"study 5": SourceError("Error in the database")}
    bench.backfill.start()
    assert bench.reaches("done")
    assert bench.scheduler.filled == [name for name in bench.all_of_them if not name.startswith("study 5")]
    assert [line for line in log.of("warning") if "skips study study 5" in line]
    assert bench.archive.asked == [10, 10, *[1] * 10]  # all at once, once more, and then each by itself


def test_it_ends_in_order_in_the_middle_of_a_fault(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    unhandled = list[object]()
    hook = threading.excepthook

    def note(what: threading.ExceptHookArgs) -> None:
        is_ours = what.thread is not None and what.thread.name == "frame-cache-backfill"
        (unhandled.append if is_ours else hook)(what)

    monkeypatch.setattr(threading, "excepthook", note)
    monkeypatch.setattr(bench.archive, "newest_first", lambda *_: 1 / 0)
    bench.begin(look_seconds=60.0)
    before = set(threading.enumerate())
    bench.backfill.start()
    assert bench.reaches("waiting")
    assert "ZeroDivisionError" in bench.backfill.reason

    started = set(threading.enumerate()) - before
    bench.backfill.stop()
    assert eventually(lambda: not started.intersection(threading.enumerate()))
    assert [one.name for one in started] == ["frame-cache-backfill"]
    assert unhandled == []


def test_while_orthanc_tells_about_none_it_waits(bench: Bench) -> None:
    bench.archive.fails = {one.orthanc_id: SourceError("Error in the database") for one in bench.archive.studies}
    bench.backfill.start()
    assert bench.reaches("waiting")
    assert eventually(lambda: len(bench.archive.asked) > 50)
    bench.archive.fails = {}
    assert bench.reaches("done")
    assert bench.scheduler.filled == bench.all_of_them


def test_orthanc_is_asked_for_many_studies_at_once_and_left_alone_between(bench: Bench) -> None:
    bench.archive = Archive(50)
    archive: Any = bench.archive
    pauses: list[float] = []
    found = Search(archive, archive, bench.clock, pauses.append).through("", date(2026, 11, 21), None)
    expected = [f"study {study}, {number}" for study in range(50) for number in range(2)]
    assert [instance.orthanc_id for one in found for instance in one.wanted] == expected
    assert bench.archive.asked == [10] * 5
    assert len(pauses) == 10

    bench.archive.asked.clear()
    bench.begin(start=True)
    assert bench.reaches("done")
    assert bench.archive.asked == [10] * 5
    assert bench.scheduler.filled == expected


def test_a_full_line_is_waited_for(bench: Bench) -> None:
    bench.scheduler.is_full = True
    bench.backfill.start()
    assert not eventually(lambda: bool(bench.scheduler.filled), 0.1)
    bench.scheduler.is_full = False
    assert bench.reaches("done")
    assert bench.scheduler.filled == bench.all_of_them


def test_the_rate_is_kept_on_average_and_the_time_left_told(bench: Bench) -> None:
    bench.begin(replace(PLAN, rate=SIZE / 10), start=True)  # ten seconds for each
    for number in range(1, 4):
        assert eventually(lambda seen=number: len(bench.scheduler.filled) == seen)  # type: ignore[misc]
        bench.clock.now += 9.9
        assert not eventually(lambda seen=number: len(bench.scheduler.filled) > seen, 0.05)  # type: ignore[misc]
        bench.clock.now += 0.2
        bench.backfill.go_on()  # the fake clock wakes nobody
    assert eventually(lambda: len(bench.scheduler.filled) == 4)
    left = bench.backfill.seconds_left  # one study was done within the first ten seconds or behind them
    assert left is not None
    assert 18 * 5 <= left <= 18 * 11


def test_only_the_newest_days_are_asked_for(bench: Bench) -> None:
    bench.clock.now = datetime(2026, 11, 21, 12).timestamp()
    bench.begin(replace(PLAN, newest_days=30), start=True)
    assert bench.reaches("done")
    assert bench.archive.oldest == date(2026, 10, 22)


PROGRESS = st.builds(
    Progress, st.text(), st.booleans(), st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**15)
)


@given(PROGRESS)
def test_what_is_written_down_can_be_read(progress: Progress) -> None:
    assert Progress.from_text(progress.to_text()) == progress


@pytest.mark.parametrize(
    "text", [None, "", "x", "[]", "null", "1", '{"a": 1}', '{"looked_at": "many"}', '{"is_paused": 1}', "[" * 5000]
)
def test_a_note_that_cannot_be_read_is_a_beginning(text: str | None) -> None:
    assert Progress.from_text(text) == Progress()
