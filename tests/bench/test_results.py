"""What several runs add up to."""

from __future__ import annotations

import json
from pathlib import Path

from bench.figure import Figure
from bench.results import Key, Measurement, Results, Run

FIRST, SECOND = (Run(date, {"Cores": "2"}, {"framecache": "abc"}) for date in ("2026-01-02", "2026-01-03"))
WARM, COLD = Key("forky", "warm", "framecache"), Key("trixie", "cold", "stock, default")
RESULTS = Results(
    {
        WARM: Measurement(FIRST, 12.5, Figure(1.5, "s", 1.5, None, 0, {"seconds": [1.5]})),
        COLD: Measurement(SECOND, 3.0, None, "no Chromium"),
    }
)


def test_what_was_measured_is_read_again_with_its_run(tmp_path: Path) -> None:
    (tmp_path / "bench.json").write_text(json.dumps(RESULTS.as_json()))

    assert Results.read(tmp_path / "bench.json") == RESULTS


def test_nothing_was_measured_before_the_first_run_and_by_older_benchmarks(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text('{"rows": []}')

    assert Results.read(tmp_path / "old.json") == Results.read(tmp_path / "none.json") == Results()


def test_a_run_ends_with_its_last_measurement() -> None:
    results = Results(dict(RESULTS.measurements))
    assert results.runs == [FIRST, SECOND]

    results.keep_only([COLD])

    assert (results.runs, results.figure(WARM), results.minutes(SECOND)) == ([SECOND], None, 0.05)
