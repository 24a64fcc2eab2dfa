"""New instances are read from Orthanc's log and sifted in batches; nothing stops the sifting, and nothing is lost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from framecache.dispatcher import Dispatcher
from framecache.policy.parsing import parse_rules
from framecache.policy.policy import Policy, Treatment
from framecache.policy.rule import Described, Rule
from framecache.prefetch.admission import Admission
from framecache.prefetch.change_feed import ChangeFeed
from framecache.prefetch.checkpoint import Checkpoint
from framecache.prefetch.events import CheckpointHasRoom, InstancesLogged, StudyArrived
from framecache.prefetch.task import Priority
from framecache.telemetry.metrics import Metrics

from tests.unit.fakes import FakeApi, FakeLog, WatchedStore, eventually, orthanc_id, uuid


class Queue:
    """Where the instances that are worth it go."""

    def __init__(self) -> None:
        self.names: list[str] = []

        self.priorities: list[Priority] = []

    def submit(self, name: str, priority: Priority, near: int = 1) -> None:
        assert near == 1
        self.names.append(name)
        self.priorities.append(priority)


class SeeingPolicy(Policy):
    """Notes the frames and their bytes of what it is asked about."""

    def __init__(self, rules: Sequence[Rule], seen: list[tuple[int, int]]) -> None:
        super().__init__(rules)
        self._seen = seen

    def decide(self, instance: Described) -> Treatment:
        self._seen.append((instance.number_of_frames, instance.frame_size))
        return super().decide(instance)


class Bench:
    """One Orthanc and one store; `begin` is one run of the plugin."""

    def __init__(self) -> None:
        self.api, self.store, self.metrics = FakeApi(), WatchedStore(), Metrics()
        self.store.texts["changes"] = "0"
        self.seen: list[tuple[int, int]] = []
        self.new_studies: list[str] = []
        self.logged: list[str] = []
        self.rules: list[dict[str, object]] = [{"MinimumFrames": 2}]
        self.begin()

    def begin(self, poll_seconds: float = 0.03, gather_seconds: float = 0.0, most_unfinished: int = 5000) -> None:
        dispatcher = Dispatcher()
        self.queue, self.checkpoint = Queue(), Checkpoint(dispatcher, most_unfinished=most_unfinished)
        self.change_feed = ChangeFeed(
            self.api,
            self.queue,  # type: ignore[arg-type]
            self.checkpoint,
            self.store.notes,
            self.metrics,
            Admission(self.api, SeeingPolicy(parse_rules(self.rules), self.seen)),
            dispatcher,
            poll_seconds=poll_seconds,
            save_seconds=0.01,
            gather_seconds=gather_seconds,
        )
        dispatcher.subscribe(StudyArrived, lambda event: self.new_studies.append(event.study_id))
        dispatcher.subscribe(InstancesLogged, lambda event: self.logged.extend(event.orthanc_ids))
        dispatcher.subscribe(CheckpointHasRoom, lambda _: self.change_feed.read_on())

    def put(self, number: int, **values: Any) -> str:
        return self.api.store(bytes(1000), orthanc_id=orthanc_id(number), uuid=uuid(number), offset=400, **values)

    def arrive(self, number: int, **values: Any) -> str:
        name = self.put(number, **values)
        self.change_feed.arrived(name)
        return name

    def noted(self) -> int:
        return int(self.store.texts["changes"])


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.change_feed.stop()


def test_instances_that_are_worth_it_are_submitted(bench: Bench) -> None:
    many, _single = bench.arrive(1, number_of_frames=3), bench.arrive(2, number_of_frames=1)
    bench.change_feed.start()

    assert eventually(lambda: len(bench.seen) == 2)
    assert bench.seen == [(3, 200), (1, 600)]
    assert eventually(lambda: bench.queue.names == [many])


def test_new_studies_are_told_of(bench: Bench) -> None:
    bench.arrive(1)
    bench.api.last_change += 1
    bench.api.changes.append({"ChangeType": "NewStudy", "ID": "study", "Seq": bench.api.last_change})
    bench.change_feed.start()

    assert eventually(lambda: bench.new_studies == ["study"])


def test_what_arrived_before_the_start_is_asked_for_in_batches(bench: Bench) -> None:
    names = [bench.arrive(number, number_of_frames=2) for number in range(450)]
    assert bench.change_feed.queue_length == 450
    bench.change_feed.start()

    assert eventually(lambda: len(bench.queue.names) == 450)
    assert bench.queue.names == names
    assert bench.api.calls.count("POST /tools/bulk-content") == 5
    assert eventually(lambda: bench.change_feed.queue_length == 0)


def test_one_instance_is_looked_at_at_once_and_those_of_a_burst_together(bench: Bench) -> None:
    gather = 0.5
    bench.begin(poll_seconds=600.0, gather_seconds=gather)
    bench.change_feed.start()

    def arrives(number: int) -> bool:
        time.sleep(gather + 0.1)  # it has looked at the log, and waits
        names.append(bench.arrive(number))
        return eventually(lambda: bench.queue.names == names, gather - 0.2)

    names: list[str] = []
    assert any(arrives(number) for number in range(5)), "at once; a busy machine may hold it up now and then"
    before, began = bench.api.calls.count("POST /tools/bulk-content"), time.monotonic()
    for number in range(5, 15):
        names.append(bench.arrive(number))
        time.sleep(0.01)
    windows = (time.monotonic() - began) // gather

    assert eventually(lambda: bench.queue.names == names)
    assert bench.api.calls.count("POST /tools/bulk-content") - before <= 2 + windows


def test_what_another_orthanc_stored_in_the_same_database_is_found_without_an_event(bench: Bench) -> None:
    bench.change_feed.start()
    name = bench.put(1)

    assert eventually(lambda: bench.queue.names == [name])


def test_the_first_run_takes_in_what_arrived_since_its_start_and_not_the_archive(bench: Bench) -> None:
    bench.store.texts.clear()
    for number in range(20):
        bench.put(number)
    name = bench.arrive(50)
    bench.change_feed.start()

    # A new instance may make four changes, this one made two: the one before it is taken in as well.
    assert eventually(lambda: bench.queue.names == [orthanc_id(19), name])


def test_the_first_run_takes_in_what_orthanc_told_of_after_its_log_had_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.store.texts.clear()
    name, get = bench.put(50), bench.api.get

    def answer_before_the_event(uri: str) -> bytes:
        answer = get(uri)
        if uri.startswith("/changes?last"):
            monkeypatch.undo()
            bench.change_feed.arrived(name)
        return answer

    monkeypatch.setattr(bench.api, "get", answer_before_the_event)
    bench.change_feed.start()

    assert eventually(lambda: bench.queue.names == [name])


def test_a_later_run_begins_with_what_was_not_finished(bench: Bench) -> None:
    names = [bench.arrive(number) for number in range(6)]
    bench.change_feed.start()
    assert eventually(lambda: bench.queue.names == names)
    for name in (names[0], names[1], names[4]):
        bench.checkpoint.done(name)
    assert eventually(lambda: bench.noted() == 4)
    bench.change_feed.stop()
    elsewhere = bench.put(7)
    bench.begin()
    bench.change_feed.start()

    assert eventually(lambda: bench.queue.names == [*names[2:], elsewhere])
    for name in bench.queue.names:
        bench.checkpoint.done(name)
    assert eventually(lambda: bench.noted() == bench.api.last_change)


@pytest.mark.parametrize("note", ["", "none", "-", "1" * 5000])
def test_a_note_that_cannot_be_read_is_like_a_first_run(bench: Bench, note: str) -> None:
    bench.put(1)
    bench.store.texts["changes"] = note
    bench.change_feed.start()
    assert eventually(lambda: bench.store.texts["changes"] == "2")
    name = bench.arrive(2)

    assert eventually(lambda: bench.queue.names == [name])


def test_an_older_copy_of_the_database_is_taken_as_it_is(bench: Bench, log: FakeLog) -> None:
    bench.put(1)
    bench.store.texts["changes"] = "1000"
    bench.change_feed.start()
    assert eventually(lambda: bench.noted() == 2)
    name = bench.arrive(2)

    assert eventually(lambda: bench.queue.names == [name])
    assert len(log.of("warning")) == 1


def test_a_change_that_another_orthanc_commits_behind_newer_ones_is_found(bench: Bench) -> None:
    """PostgreSQL gives out the numbers before the transactions end."""
    first = bench.put(1)
    late = bench.put(2)
    hidden = [change for change in bench.api.changes if change["ID"] == late]
    bench.api.changes = [change for change in bench.api.changes if change["ID"] != late]
    newer = bench.put(3)
    bench.change_feed.start()
    assert eventually(lambda: bench.queue.names == [first, newer])
    bench.api.changes = sorted([*bench.api.changes, *hidden], key=lambda change: change["Seq"])

    assert eventually(lambda: bench.queue.names == [first, newer, late])
    assert not eventually(lambda: len(bench.queue.names) > 3, seconds=0.2)


def test_what_the_log_says_was_stored_is_told_once(bench: Bench) -> None:
    names = [bench.put(number) for number in range(3)]
    bench.change_feed.start()

    assert eventually(lambda: bench.logged == names)
    assert not eventually(lambda: len(bench.logged) > 3, seconds=0.2)


def test_a_burst_waits_in_orthanc_s_database_and_not_in_memory(bench: Bench) -> None:
    bench.begin(most_unfinished=100)
    names = [bench.arrive(number) for number in range(700)]
    bench.change_feed.start()
    assert eventually(lambda: len(bench.queue.names) >= 100)
    assert not eventually(lambda: len(bench.queue.names) > 200, seconds=0.1)
    assert bench.change_feed.queue_length == 700
    done: set[str] = set()

    def work() -> bool:
        for name in set(bench.queue.names) - done:
            bench.checkpoint.done(name)
            done.add(name)
        return len(done) == len(names)

    assert eventually(work)
    assert bench.queue.names == names
    assert eventually(lambda: bench.noted() == 1400)


def test_what_is_deleted_from_the_log_right_after_it_arrived_is_looked_at_all_the_same(bench: Bench) -> None:
    """`DELETE /changes` empties the log; the numbers go on."""
    names = [bench.put(number) for number in range(450)]
    bench.api.changes.clear()
    for name in names:
        bench.change_feed.arrived(name)
    bench.change_feed.start()

    assert eventually(lambda: bench.queue.names == names)
    assert eventually(lambda: bench.change_feed.queue_length == 0)


def test_an_instance_whose_event_comes_after_the_log_was_read_is_looked_at_once(bench: Bench) -> None:
    bench.change_feed.start()
    name = bench.put(1)
    assert eventually(lambda: bench.queue.names == [name])
    bench.change_feed.arrived(name)
    other = bench.arrive(2)

    assert eventually(lambda: bench.queue.names == [name, other])
    assert not eventually(lambda: len(bench.queue.names) > 2, seconds=0.1)


def test_an_instance_that_is_gone_again_is_passed_over(bench: Bench, log: FakeLog) -> None:
    gone = bench.arrive(9)
    bench.api.instances.pop(gone)
    name = bench.arrive(1)
    bench.change_feed.start()

    assert eventually(lambda: bench.queue.names == [name])
    assert not log.lines


def test_what_orthanc_refuses_to_tell_is_asked_for_again(bench: Bench, log: FakeLog) -> None:
    name = bench.arrive(1)
    bench.api.broken = True
    bench.change_feed.start()
    assert eventually(lambda: bench.metrics["errors"] >= 1)
    bench.api.broken = False

    assert eventually(lambda: bench.queue.names == [name])
    assert log.of("warning")


def test_a_batch_that_orthanc_cannot_tell_of_is_left_to_the_filler(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.api, "post", lambda _uri, _body: b"no JSON")
    names = [bench.arrive(number, number_of_frames=1) for number in range(3)]
    bench.change_feed.start()

    assert eventually(lambda: bench.queue.names == names)
    assert bench.metrics["errors"] == 1


@pytest.mark.parametrize("damage", [{"FileSize": "-1"}, {"Metadata": {"PixelDataOffset": "far"}}, {"ID": None}])
def test_one_odd_answer_costs_no_other_instance(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, damage: dict[str, Any]
) -> None:
    bench.arrive(1)
    name = bench.arrive(2)
    real = bench.api.post

    def odd(uri: str, body: bytes) -> bytes:
        first, *rest = json.loads(real(uri, body))
        first.update(damage)
        if damage.get("ID", "") is None:
            del first["ID"]
        return json.dumps([first, *rest]).encode()

    monkeypatch.setattr(bench.api, "post", odd)
    bench.change_feed.start()

    assert eventually(lambda: name in bench.queue.names)
