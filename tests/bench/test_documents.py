"""The figures that the documents quote are those of the last benchmark."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.benchmark import OUTPUT, Benchmark
from bench.documents import METADATA, README, TABLES, metadata_table, readme_table, with_figures
from bench.figure import Figure
from bench.report import Line
from bench.rows import rows
from bench.samples import FULL, data_sets


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    """Of a benchmark in which the stock plugin takes ten times as long, and serves a tenth."""
    made = rows(data_sets(FULL, Path()))
    return [Line("forky", row, Figure(3.0, "s"), Figure(30.0, "s") if row.peer else None, "") for row in made]


def test_each_figure_of_the_readme_is_of_one_row(lines: list[Line]) -> None:
    rows = readme_table(lines).splitlines()[2:]

    assert len(rows) == 5
    assert all(row.endswith("| 3.0 s | 30.0 s | 10 × |") for row in rows[2:])


def test_the_metadata_page_has_a_row_for_each_of_the_benchmark(lines: list[Line]) -> None:
    rows = metadata_table(lines).splitlines()[2:]

    assert len(rows) == len([line for line in lines if line.row.what.startswith("metadata of")])


def test_only_what_is_between_the_marks_is_written_anew() -> None:
    document = "before\n<!-- bench: made by x -->\nold\n<!-- end of bench -->\nafter\n"

    assert with_figures(document, "new") == document.replace("old", "new")


@pytest.mark.parametrize("path", [README, METADATA], ids=lambda path: path.name)
def test_the_documents_have_the_figures_of_the_last_benchmark(path: Path) -> None:
    benchmark = Benchmark(FULL, OUTPUT)
    results = benchmark.results()
    text = path.read_text()

    made = with_figures(text, TABLES[path](benchmark.report(results).lines)) if results.measurements else text

    assert made == text, "run: python -m bench --write"


def test_the_readme_keeps_its_figures_until_all_are_measured_anew(lines: list[Line]) -> None:
    missing = [replace(line, subject=None) if line.row.what.startswith("upload by C-STORE") else line for line in lines]

    assert with_figures("before", readme_table(missing)) == "before"
