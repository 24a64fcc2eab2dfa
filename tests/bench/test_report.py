"""The table, the raw figures and the chart."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.causes import UNKNOWN
from bench.chart import draw
from bench.figure import Figure
from bench.lab import Lab
from bench.probe import Probe
from bench.report import COLUMNS, Report, lines, shown
from bench.results import Key, Measurement, Results, Run
from bench.rows import Row
from bench.subject import FRAMECACHE, NGINX, STOCK, Subject
from bench.wanted import Rule, Wanted


def never(_lab: Lab, _subject: Subject) -> Figure:
    raise AssertionError


PROBE = Probe("warm", never)
ROWS = [
    Row("warm frames", PROBE, FRAMECACHE, NGINX, Wanted(Rule.TIMES_AS_MANY, 1)),
    Row("warm frames", PROBE, FRAMECACHE, STOCK, Wanted(Rule.TIMES_AS_MANY, 100)),
    Row("bytes read | disk", Probe("bytes", never), FRAMECACHE, None, Wanted(Rule.AT_MOST, 1.1)),
]
RUN = Run("2026-01-02", {"Cores": "2"}, {"wrk": "4.1.0"})
MEASURED = {
    ("warm", "framecache"): Figure(1180.4, "requests/s", 0.00598, 0.0194, raw={"loads": [1]}),
    ("warm", "nginx sendfile"): Figure(1073.0, "requests/s"),
    ("bytes", "framecache"): Figure(2.713, "× frame"),
}
MISSING = Key("forky", "warm", "stock, default"), Measurement(RUN, 9, None, "not one request ended in time")


@pytest.fixture
def results() -> Results:
    return Results({Key("forky", *key): Measurement(RUN, 30, one) for key, one in MEASURED.items()} | dict([MISSING]))


@pytest.fixture
def report(results: Results) -> Report:
    return Report("bench", results, lines("forky", ROWS, results))


def table(report: Report, heading: str = "All rows") -> list[list[str]]:
    section = report.markdown("bench.svg").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def test_each_row_has_a_line_with_ratio_and_verdict(report: Report) -> None:
    header, _, against_nginx, against_stock, bytes_read = table(report)

    assert len(header) == len(COLUMNS)
    assert against_nginx[2:6] == ["framecache", "nginx sendfile", "1,180 requests/s", "1,073 requests/s"]
    assert against_nginx[6:] == ["5.98 ms", "19.4 ms", "1.1", "≥ 1 ×", "reached"]
    assert against_stock[-3:] == ["–", "≥ 100 ×", "not available"]
    assert bytes_read[0] == r"bytes read \| disk"
    assert bytes_read[-3:] == ["2.71", "≤ 1.1", "missed"]


def test_the_short_table_names_what_was_missed_first(report: Report) -> None:
    _, _, *short = table(report, "Goals and results")

    assert [row[-1] for row in short] == ["not available", "missed", "reached"]
    assert short[1] == [r"bytes read \| disk", "forky", "framecache", "–", "≤ 1.1", "2.71", "missed"]
    assert "Of 3 rows with a goal, 1 reached it and 1 did not. 1 were not measured." in report.markdown("bench.svg")


def test_the_reader_is_told_what_the_data_are_and_what_is_missing(report: Report) -> None:
    text = report.markdown("bench.svg")

    assert "synthetic data" in text
    assert "- Cores: 2\n- wrk: 4.1.0" in text
    assert "- warm frames: stock, default: not one request ended in time" in text


def test_raw_figures_are_in_the_json(report: Report) -> None:
    told = json.loads(report.json())

    assert told["data"] == "synthetic data"
    assert told["measurements"][0]["figure"]["raw"] == {"loads": [1]}
    assert [row["verdict"] for row in told["rows"]] == ["reached", "not available", "missed"]


def test_the_chart_has_the_rows_that_can_be_compared(report: Report, tmp_path: Path) -> None:
    draw(report.lines, tmp_path / "one.svg", "2 cores")
    draw(report.lines, tmp_path / "two.svg", "2 cores")

    content = (tmp_path / "one.svg").read_text()
    assert ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - ours
    assert "against nginx sendfile" in content
    assert "against stock" not in content
    assert content == (tmp_path / "two.svg").read_text()


def test_each_missed_row_has_its_cause(report: Report) -> None:
    _, _, missed = table(report, "What was missed, and why")

    assert missed[0] == r"bytes read \| disk"
    assert missed[-1] == UNKNOWN


def test_rows_of_several_runs_name_theirs(results: Results) -> None:
    later = Run("2026-01-03", RUN.machine, RUN.versions)
    results.measurements[Key("forky", "bytes", "framecache")] = Measurement(later, 30, Figure(1.0, "× frame"))
    report = Report("bench", results, lines("forky", ROWS, results))

    header, _, *rows = table(report)

    assert header[-2] == "run"
    assert [row[-2] for row in rows] == ["1", "1", "2"]
    assert "Run 1: 2026-01-02" in report.markdown("bench.svg")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.0123, "s", "12.3 ms"), (4.5, "s", "4,500 ms"), (1234.5, "MB", "1,234 MB"), (0.85, "× frame", "0.85 × frame")],
)
def test_figures_are_shown_with_three_digits(value: float, unit: str, text: str) -> None:
    assert shown(Figure(value, unit)) == text
