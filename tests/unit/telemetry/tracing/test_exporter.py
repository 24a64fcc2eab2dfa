"""Records reach the process; whatever that one does, nobody waits for it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from framecache.telemetry.tracing.exporter import Exporter
from framecache.telemetry.tracing.records import FinishedRecord, Journal, pack

from tests.unit.fakes import FakeClock, FakeLog, eventually

HELLO = """echo '{"error": null}'"""


class Bench:
    """An exporter whose `python3` is a script."""

    def __init__(self, folder: Path, log: FakeLog, most: int = 100) -> None:
        self.folder, self.received, self.log = folder, folder / "received", log
        self.journal, self.clock = Journal(most), FakeClock()
        self.told: list[str | None] = []
        self.exporter: Exporter | None = None

    def start(self, *script: str) -> None:
        python = self.folder / "python3"
        python.write_text("\n".join(["#!/bin/sh", *script, ""]))
        python.chmod(0o755)
        self.start_as(str(python))

    @property
    def note_pid(self) -> str:
        """For a script: `process_runs` looks at it from then on."""
        return f"echo $$ > '{self.folder}/new' && mv '{self.folder}/new' '{self.folder}/pid'"

    def process_runs(self) -> bool:
        pid = self.folder / "pid"
        return pid.exists() and Path(f"/proc/{int(pid.read_text())}").exists()

    def start_as(self, python: str) -> None:
        self.exporter = Exporter(self.journal, python, self.clock, self.told.append, seconds=0.02, restart_seconds=0.02)
        self.exporter.start()

    def stop(self) -> float:
        """The seconds that it takes."""
        assert self.exporter is not None
        began = time.monotonic()
        self.exporter.stop()
        self.exporter.join()
        return time.monotonic() - began

    @property
    def complaints(self) -> list[str]:
        return self.log.of("warning")


@pytest.fixture
def bench(tmp_path: Path, log: FakeLog) -> Iterator[Bench]:
    made = Bench(tmp_path, log)
    yield made
    made.stop()


def test_records_arrive_in_order_and_the_last_ones_at_the_end(bench: Bench) -> None:
    bench.start(HELLO, f"exec cat > {bench.received}")
    assert eventually(lambda: bench.told == [None])
    bench.journal.note(FinishedRecord("first"))
    assert eventually(lambda: bench.received.exists() and bench.received.read_bytes() == pack(FinishedRecord("first")))
    bench.journal.note(FinishedRecord("last"))
    bench.stop()

    assert bench.received.read_bytes() == pack(FinishedRecord("first")) + pack(FinishedRecord("last"))
    assert bench.complaints == []


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (f"echo '{json.dumps({'error': 'No module named opentelemetry'})}'", "No module named opentelemetry"),
        ("exit 1", "the tracing process ended at once"),
    ],
)
def test_a_process_that_cannot_send_is_told_of_and_not_started_again(bench: Bench, script: str, reason: str) -> None:
    bench.start(f"echo >> {bench.received}", script)

    assert eventually(lambda: bench.told == [reason])
    time.sleep(0.1)
    assert bench.received.read_text() == "\n"
    bench.journal.note(FinishedRecord("a"))
    assert bench.journal.take() == []


def test_complaints_before_the_greeting_do_not_hide_it(bench: Bench) -> None:
    bench.start("echo 'Unrecognized sampler x.'", "echo 1", HELLO, "exec cat > /dev/null")

    assert eventually(lambda: bench.told == [None])
    assert "Unrecognized sampler x." in bench.complaints[0]


def test_a_python_that_is_not_there_is_told_of(bench: Bench) -> None:
    bench.start_as(str(bench.folder / "python4"))

    assert eventually(lambda: bool(bench.told))
    assert bench.told == [f"{bench.folder}/python4 cannot be started: No such file or directory"]


def test_a_process_that_ends_is_started_again(bench: Bench) -> None:
    bench.start(f"echo >> {bench.received}", HELLO, "read line")

    def has_restarted() -> bool:
        bench.journal.note(FinishedRecord("a"))
        return bench.received.exists() and len(bench.received.read_text()) > 2

    assert eventually(has_restarted)
    assert set(bench.told) == {None}


def test_what_it_says_is_one_line_in_ten_minutes(bench: Bench) -> None:
    bench.start(HELLO, "while read line; do echo 'no route to host'; done")
    said = "tracing: no route to host (such messages are logged once in ten minutes)"

    def say(until: Callable[[], bool]) -> bool:
        bench.journal.note(FinishedRecord("a"))
        return until()

    assert eventually(lambda: say(lambda: bool(bench.complaints)))
    for _ in range(10):
        say(bool)
        time.sleep(0.02)
    assert bench.complaints == [said]
    bench.clock.now += 601
    assert eventually(lambda: say(lambda: bench.complaints == [said, said]))


def test_what_is_dropped_is_told(bench: Bench) -> None:
    for name in range(103):
        bench.journal.note(FinishedRecord(str(name)))
    bench.start(HELLO, "exec cat > /dev/null")

    assert eventually(lambda: bool(bench.complaints))
    assert "3 records were dropped" in bench.complaints[0]


def ends_soon(folder: Path, seconds: Callable[[Path], float]) -> bool:
    """Whether one of a few ends is soon: a busy machine holds some up, and an exporter that waits all of them."""
    for number in range(5):
        (folder / str(number)).mkdir()
    return any(seconds(one) < 1.5 for one in folder.iterdir())


def test_the_end_does_not_wait_for_a_process_that_hangs(tmp_path: Path, log: FakeLog) -> None:
    def end(folder: Path) -> float:
        bench = Bench(folder, log, most=10_000)
        bench.start(bench.note_pid, HELLO, "exec sleep 600")
        assert eventually(lambda: bench.told == [None])
        for name in range(10_000):  # more than a pipe holds
            bench.journal.note(FinishedRecord(str(name) * 20))
        seconds = bench.stop()
        assert eventually(lambda: not bench.process_runs())
        return seconds

    assert ends_soon(tmp_path, end)


def test_the_end_does_not_wait_for_a_process_that_says_nothing(tmp_path: Path, log: FakeLog) -> None:
    def end(folder: Path) -> float:
        bench = Bench(folder, log)
        bench.start(bench.note_pid, "exec sleep 600")
        assert eventually(bench.process_runs)
        seconds = bench.stop()
        assert bench.told == []
        return seconds

    assert ends_soon(tmp_path, end)
