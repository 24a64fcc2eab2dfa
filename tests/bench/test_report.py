"""The table, the raw figures and the chart."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.chart import draw
from bench.figure import Figure
from bench.lab import Lab
from bench.probe import Probe
from bench.report import COLUMNS, Report, lines, shown
from bench.rows import Row
from bench.run import Results
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
RESULTS = Results(
    {
        ("warm", "framecache"): Figure(1180.4, "requests/s", 0.00598, 0.0194, raw={"loads": [1]}),
        ("warm", "nginx sendfile"): Figure(1073.0, "requests/s"),
        ("bytes", "framecache"): Figure(2.713, "× frame"),
    },
    {("warm", "stock, default"): "not one request ended in time"},
)


@pytest.fixture
def report() -> Report:
    return Report("bench", "2026-01-02", 90, {"Cores": "2"}, {"wrk": "4.1.0"}, lines("forky", ROWS, RESULTS))


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
    assert "Of 3 rows with a goal, 1 reached it and 2 did not." in report.markdown("bench.svg")


def test_the_reader_is_told_what_the_data_are_and_what_is_missing(report: Report) -> None:
    text = report.markdown("bench.svg")

    assert "synthetic data" in text
    assert "- Cores: 2\n- wrk: 4.1.0" in text
    assert "- warm frames: stock, default: not one request ended in time" in text


def test_raw_figures_are_in_the_json(report: Report) -> None:
    told = json.loads(report.json())

    assert told["data"] == "synthetic data"
    assert told["rows"][0]["subject_figure"]["raw"] == {"loads": [1]}
    assert [row["verdict"] for row in told["rows"]] == ["reached", "not available", "missed"]


def test_the_chart_has_the_rows_that_can_be_compared(report: Report, tmp_path: Path) -> None:
    draw(report.lines, tmp_path / "one.svg", "2 cores")
    draw(report.lines, tmp_path / "two.svg", "2 cores")

    content = (tmp_path / "one.svg").read_text()
    assert ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - ours
    assert "against nginx sendfile" in content
    assert "against stock" not in content
    assert content == (tmp_path / "two.svg").read_text()


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.0123, "s", "12.3 ms"), (4.5, "s", "4,500 ms"), (1234.5, "MB", "1,234 MB"), (0.85, "× frame", "0.85 × frame")],
)
def test_figures_are_shown_with_three_digits(value: float, unit: str, text: str) -> None:
    assert shown(Figure(value, unit)) == text
