"""What is measured, and what a fault in one measurement does to the others."""

from __future__ import annotations

import time
from typing import Any
from unittest.mock import Mock

import pytest

from bench.figure import Figure
from bench.lab import Lab
from bench.probe import Probe
from bench.results import Key, Measurement, Results, Run
from bench.rows import Row
from bench.run import Schedule, measure
from bench.samples import QUICK
from bench.subject import FRAMECACHE, NGINX, STOCK, Subject
from bench.wanted import Rule, Wanted

RUN = Run("2026-01-02", {}, {})
WANTED = Wanted(Rule.TIMES_AS_MANY, 1)


def probe(name: str, *errors: Exception) -> Probe:
    faults = list(errors)

    def measured(_lab: Lab, _subject: Subject) -> Figure:
        if faults:
            raise faults.pop()
        return Figure(1.0, "s")

    return Probe(name, measured)


@pytest.fixture
def lab() -> Any:
    return Mock(spec=Lab, suite="forky", size=QUICK)


@pytest.fixture
def results() -> Results:
    return Results()


def schedule(results: Results, **wanted: Any) -> Schedule:
    return Schedule(RUN, results, results.measurements.__setitem__, **wanted)


def test_what_fails_in_any_way_is_named_and_the_others_are_measured(lab: Any, results: Results) -> None:
    rows = [Row("broken", probe("broken", ImportError("no obstore")), FRAMECACHE, STOCK, WANTED)]
    rows += [Row("whole", probe("whole"), FRAMECACHE, STOCK, WANTED)]

    measure(lab, rows, schedule(results))

    # The stock plugin is measured first.
    failed = results.measurements[Key("forky", "broken", "stock, default")]
    assert (failed.figure, failed.missing) == (None, "no obstore")
    assert all(results.figure(Key("forky", name, "framecache")) for name in ("broken", "whole"))


def test_only_what_is_missing_is_measured_with_those_it_is_measured_in_turns_with(lab: Any, results: Results) -> None:
    old = Measurement(Run("2025-01-01", {}, {}), 1, Figure(2.0, "s"))
    results.measurements = {Key("forky", "warm", name): old for name in ("framecache", "stock, default")}
    rows = [Row("warm", probe("warm"), FRAMECACHE, peer, WANTED) for peer in (NGINX, STOCK)]

    measure(lab, rows, schedule(results, only_missing=True))

    figures = {key.subject: one.figure.value for key, one in results.measurements.items() if one.figure}
    assert figures == {"framecache": 1.0, "nginx sendfile": 1.0, "stock, default": 2.0}


def test_nothing_begins_when_the_time_is_over(lab: Any, results: Results) -> None:
    measure(lab, [Row("warm", probe("warm"), FRAMECACHE, STOCK, WANTED)], schedule(results, until=time.monotonic() - 1))

    assert results == Results()
