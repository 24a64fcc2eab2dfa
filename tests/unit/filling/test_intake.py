"""New instances are sifted in batches; no answer of Orthanc stops the sifting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from framecache.filling.filler import Priority
from framecache.filling.intake import Intake
from framecache.metrics import Metrics

from tests.unit.fakes import FakeApi, FakeLog, eventually, orthanc_id, uuid


class Queue:
    """Where the instances that are worth it go."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def submit(self, name: str, priority: Priority, near: int = 1) -> None:
        assert (priority, near) == (Priority.ARRIVED, 1)
        self.names.append(name)


class Bench:
    def __init__(self) -> None:
        self.api, self.queue, self.metrics, self.log = FakeApi(), Queue(), Metrics(), FakeLog()
        self.seen: list[tuple[int, int]] = []
        self.intake = Intake(self.api, self.queue, self.metrics, self.log, self.is_worth_it)  # type: ignore[arg-type]

    def is_worth_it(self, frames: int, size: int) -> bool:
        self.seen.append((frames, size))
        return frames >= 2

    def arrive(self, number: int, **values: Any) -> str:
        name = self.api.store(bytes(1000), orthanc_id=orthanc_id(number), uuid=uuid(number), offset=400, **values)
        self.intake.arrived(name)
        return name


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.intake.stop()


def test_instances_that_are_worth_it_are_submitted(bench: Bench) -> None:
    many, _single = bench.arrive(1, number_of_frames=3), bench.arrive(2, number_of_frames=1)
    bench.intake.start()

    assert eventually(lambda: len(bench.seen) == 2)
    assert bench.seen == [(3, 200), (1, 600)]
    assert bench.queue.names == [many]


def test_what_arrived_before_the_start_is_asked_for_in_batches(bench: Bench) -> None:
    names = [bench.arrive(number, number_of_frames=2) for number in range(450)]
    assert bench.intake.queue_length == 450
    bench.intake.start()

    assert eventually(lambda: len(bench.queue.names) == 450)
    assert bench.queue.names == names
    assert len(bench.api.calls) == 3


def test_an_instance_that_is_gone_again_is_passed_over(bench: Bench) -> None:
    bench.intake.arrived(orthanc_id(9))
    name = bench.arrive(1)
    bench.intake.start()

    assert eventually(lambda: bench.queue.names == [name])
    assert not bench.log.lines


def test_orthanc_s_refusal_is_logged_and_the_next_batch_is_sifted(bench: Bench) -> None:
    bench.arrive(1)
    bench.api.broken = True
    bench.intake.start()
    assert eventually(lambda: bench.metrics["errors"] == 1)
    bench.api.broken = False
    name = bench.arrive(2)

    assert eventually(lambda: bench.queue.names == [name])
    assert len(bench.log.of("warning")) == 1


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
    bench.intake.start()

    assert eventually(lambda: name in bench.queue.names)


def test_a_flood_is_bounded_and_arriving_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framecache.filling.intake._LONGEST_QUEUE", 10)
    bench = Bench()
    for number in range(15):
        bench.intake.arrived(orthanc_id(number))

    assert bench.intake.queue_length == 10
    assert bench.metrics["dropped_from_queue"] == 5
