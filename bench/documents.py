"""Writes figures of the benchmark into the documents that quote them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bench.figure import Figure
from bench.report import Line, number, shown, table
from bench.wanted import AS_GOOD, Rule
from dev.console import CHECKOUT

README, METADATA = CHECKOUT / "README.md", CHECKOUT / "docs/metadata.md"
# What the README calls it, and how the row begins; all against the stock plugin as it comes, Orthanc of forky.
IN_README = {
    "native tomosynthesis, frames of 9.3 MB, 4 connections": "warm, 4 connections: native tomosynthesis",
    "JPEG 2000 tomosynthesis, frames of 2.8 MB, 4 connections": "warm, 4 connections: JPEG 2000 tomosynthesis",
    "first native frame, nothing cached, disk cold": "cold first frame, nothing cached: native tomosynthesis",
    "OHIF in Chromium, a study just sent (4 × 641 MB): first picture": "navigation to first picture in OHIF, just sent",
    "upload of a tomosynthesis by C-STORE": "upload by C-STORE",
}
HEAD = "[one benchmark](docs/benchmarks/bench.md): two cores, synthetic data, Orthanc 1.13.0"
OTHERS = ("stock", "without the plugin")


def readme_table(lines: Sequence[Line]) -> str:
    """The README's figures; "" as long as one of them is missing."""
    chosen = {
        name: line
        for name, beginning in IN_README.items()
        for line in lines
        if line.suite == "forky" and line.row.what.startswith(beginning) and _is_of_stock(line)
    }
    rows = [[name, *_figures(line)] for name, line in chosen.items() if line.ratio is not None]
    return table([HEAD, "cache", "stock plugin", ""], rows) if len(rows) == len(IN_README) else ""


def _is_of_stock(line: Line) -> bool:
    peer = line.row.peer.name if line.row.peer else ""
    return peer.startswith(OTHERS) and "tuned" not in peer


def metadata_table(lines: Iterable[Line]) -> str:
    """All rows about metadata, of both suites."""
    rows = [
        [line.row.what.removeprefix("metadata of "), line.suite, *_figures(line)]
        for line in lines
        if line.row.what.startswith("metadata of ") and line.ratio is not None
    ]
    return table(["metadata of", "Orthanc", "cache", "stock plugin", ""], rows)


def _figures(line: Line) -> list[str]:
    return [_shown(line.subject), _shown(line.peer), _times(line)]


def _shown(figure: Figure | None) -> str:
    """Long times in seconds."""
    return f"{figure.value:.1f} s" if figure and figure.unit == "s" and figure.value >= 1 else shown(figure)


def _times(line: Line) -> str:
    """How many times better the cache is, or as good."""
    if line.ratio is None or line.row.wanted.rule is Rule.AT_MOST:
        return "–"
    better = 1 / line.ratio if line.row.wanted.rule is Rule.AT_MOST_TIMES else line.ratio
    return "as good" if AS_GOOD <= better <= 1 / AS_GOOD else f"{number(better)} ×"


TABLES: dict[Path, Callable[[Sequence[Line]], str]] = {README: readme_table, METADATA: metadata_table}


def with_figures(document: str, content: str) -> str:
    """The document with `content` between the marks, if there is any."""
    if not content:
        return document
    place = re.compile(r"(<!-- bench: [^\n]*-->\n).*?(\n<!-- end of bench -->)", re.DOTALL)
    return place.sub(lambda found: f"{found[1]}{content}{found[2]}", document)


def write_documents(lines: Sequence[Line]) -> None:
    """Write the figures of a whole benchmark into the documents."""
    for path, made in TABLES.items():
        path.write_text(with_figures(path.read_text(), made(lines)))
