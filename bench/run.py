"""Measures what the rows need, subject by subject, and keeps what came out."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from bench.client import NotAvailable
from bench.figure import Figure, of_rounds
from bench.lab import Lab
from bench.probe import Probe
from bench.results import Key, Measurement, Results, Run
from bench.rows import Row
from bench.subject import (
    ARCHIVE,
    ARCHIVE_CLIENT,
    BARE_READ,
    BUCKET,
    BUCKET_NOT_FILLING,
    COPY,
    COPYING,
    DICOMWEB_FILE_CLIENT,
    FILE_CLIENT,
    FRAMECACHE,
    FRAMECACHE_SLOW_LINE,
    FRAMECACHE_VIEWER,
    INDEX,
    NGINX,
    NGINX_VIEWER,
    NOT_FILLING,
    OBJECTS_CLIENT,
    ONE_WORKER,
    OTHER_NODE,
    PUTTING,
    READING,
    SHARED_WORK,
    STOCK,
    STOCK_BUCKET,
    STOCK_VIEWER,
    TRIVIAL,
    TUNED,
    TWO_WORKERS,
    WITHOUT,
    Subject,
)
from dev.console import say

# Those of a group are measured in turns, round by round, so that a slower moment of the machine meets all of them;
# the others only one after the other, as just one Orthanc runs at a time.
GROUPS = (
    (STOCK,),
    (TUNED,),
    (FRAMECACHE, NGINX, TRIVIAL, WITHOUT, COPY),
    (NOT_FILLING,),
    (INDEX,),
    (STOCK_VIEWER,),
    (FRAMECACHE_VIEWER, NGINX_VIEWER),
    (FRAMECACHE_SLOW_LINE,),
    (BUCKET_NOT_FILLING,),
    (BUCKET,),
    (OTHER_NODE,),
    (STOCK_BUCKET,),
    (FILE_CLIENT, DICOMWEB_FILE_CLIENT),
    (ARCHIVE, COPYING, READING, PUTTING),
    (ARCHIVE_CLIENT, OBJECTS_CLIENT, BARE_READ),
    (ONE_WORKER, TWO_WORKERS),
    (SHARED_WORK,),
)
LONGEST_SECONDS = 400  # of one measurement: what hangs does not keep the others from being measured


@dataclass
class Schedule:
    """What is to be measured: with `only_missing`, what has no figure yet; and until when, on the monotonic clock.

    `keep` is called with each measurement as soon as it is there.
    """

    run: Run
    results: Results
    keep: Callable[[Key, Measurement], None]
    only_missing: bool = False
    until: float = float("inf")

    def wants(self, key: Key) -> bool:
        """Whether this one is still to be measured."""
        return not self.only_missing or self.results.figure(key) is None

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self.until


@dataclass
class Rounds:
    """The figures of one subject so far, and the seconds they took; `missing` says why there are no more."""

    figures: list[Figure] = field(default_factory=list)
    seconds: float = 0.0
    missing: str = ""


def in_turns(rows: Iterable[Row]) -> Iterator[tuple[Probe, list[Subject]]]:
    """What the rows need, in the order in which it is measured; all of these subjects in turns."""
    needed = dict.fromkeys(pair for row in rows for pair in row.measurements)
    for group in GROUPS:
        for probe in dict.fromkeys(probe for probe, subject in needed if subject in group):
            yield probe, [subject for subject in group if (probe, subject) in needed]


def measure(lab: Lab, rows: Iterable[Row], schedule: Schedule) -> None:
    """All figures that the rows need, as far as the schedule wants them."""
    for probe, subjects in in_turns(rows):
        if schedule.is_over:
            return
        if any(schedule.wants(Key(lab.suite, probe.name, subject.name)) for subject in subjects):
            for subject, rounds in _measure_in_turns(lab, probe, subjects).items():
                figure = of_rounds(rounds.figures) if rounds.figures and not rounds.missing else None
                measurement = Measurement(schedule.run, rounds.seconds, figure, rounds.missing)
                schedule.keep(Key(lab.suite, probe.name, subject.name), measurement)


def _measure_in_turns(lab: Lab, probe: Probe, subjects: Sequence[Subject]) -> dict[Subject, Rounds]:
    """As many rounds as the size says, but none begins after its time; where there is nobody to compare with, one."""
    all_rounds = {subject: Rounds() for subject in subjects}
    started = time.monotonic()
    for number in range(lab.size.rounds if len(subjects) > 1 else 1):
        if number and time.monotonic() - started > lab.size.round_seconds * probe.patience:
            break
        for subject, rounds in all_rounds.items():
            if not rounds.missing:
                _measure_once(lab, probe, subject, rounds)
    return all_rounds


def _measure_once(lab: Lab, probe: Probe, subject: Subject, rounds: Rounds) -> None:
    started = time.monotonic()
    try:
        with _at_most(LONGEST_SECONDS):
            figure = probe.measure(lab, subject)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one, or not installed, the others are measured
        rounds.missing = str(error) or type(error).__name__
        say(f"{probe.name}, {subject.name}: not available: {rounds.missing}")
    else:
        rounds.figures.append(figure)
        seconds = time.monotonic() - started
        say(f"{probe.name}, {subject.name}: {figure.value:.4g} {figure.unit} ({seconds:.0f} s)")
    rounds.seconds += time.monotonic() - started


@contextmanager
def _at_most(seconds: int) -> Iterator[None]:
    """Raises NotAvailable into what takes longer."""

    def give_up(_signal: int, _frame: FrameType | None) -> None:
        raise NotAvailable(f"it took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
