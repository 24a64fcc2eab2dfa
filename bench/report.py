"""What the benchmark writes: all raw figures as JSON, and a table in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.causes import cause
from bench.figure import Figure
from bench.results import Key, Results, Run
from bench.rows import LEFT_OUT, Row

LARGE = 1000
COLUMNS = ("what", "Orthanc", "subject", "against", "subject's", "other's", "median", "p99", "ratio", "goal", "")
SHORT_COLUMNS = ("what", "Orthanc", "subject", "against", "goal", "measured", "")
MISSED_COLUMNS = ("what", "Orthanc", "against", "goal", "measured", "why, as far as we looked into it")


@dataclass(frozen=True)
class Line:
    """A row with what was measured for it; `missing` says why one figure is not there."""

    suite: str
    row: Row
    subject: Figure | None
    peer: Figure | None
    missing: str
    runs: Sequence[Run] = ()

    @property
    def ratio(self) -> float | None:
        if self.subject is None or (self.row.peer is not None and self.peer is None):
            return None
        return self.row.wanted.ratio(self.subject, self.peer)

    @property
    def verdict(self) -> str:
        if self.ratio is None or self.subject is None:
            return "not available" if self.missing else "not measured"
        return self.row.wanted.verdict(self.subject, self.peer)


def keys(suite: str, row: Row) -> list[Key]:
    """What has to be measured for a row: the subject's figure, and the other's."""
    return [Key(suite, probe.name, subject.name) for probe, subject in row.measurements]


def lines(suite: str, rows: Iterable[Row], results: Results) -> list[Line]:
    """The rows of one suite with their figures."""
    return [_line(suite, row, results) for row in rows]


def _line(suite: str, row: Row, results: Results) -> Line:
    figures = [results.figure(key) for key in keys(suite, row)]
    found = {key.subject: one for key in keys(suite, row) if (one := results.measurements.get(key))}
    missing = "; ".join(f"{name}: {one.missing}" for name, one in found.items() if one.missing)
    runs = [run for run in results.runs if any(one.run == run for one in found.values())]
    return Line(suite, row, figures[0], figures[1] if len(figures) > 1 else None, missing, runs)


@dataclass(frozen=True)
class Report:
    """All rows, with what was measured for them in one run or several."""

    title: str
    results: Results
    lines: Sequence[Line]

    def markdown(self, chart: str) -> str:
        """The table, with what has to be known to read it."""
        missing = dict.fromkeys(f"- {line.row.what}: {line.missing}" for line in self.lines if line.missing)
        parts = [
            f"# {self.title}",
            f"Made by `make {self.title.split()[0]}`. "
            "The data are **synthetic data**: no image was ever a patient's. Load over loopback, client and server on "
            "the same machine: compare ratios with those of other machines, not times.",
            *self._runs(),
            self._wanted(),
            f"![Ratios]({chart})",
            *self._missed(),
            "## All rows",
            table(self._columns, (self._cells(line) for line in self.lines)),
            NOTES,
            *(["Not available:\n\n" + "\n".join(missing)] if missing else []),
            "Not measured here:\n\n" + "\n".join(f"- {line}" for line in LEFT_OUT),
        ]
        return "\n\n".join(parts) + "\n"

    def _runs(self) -> Iterator[str]:
        known = dict[str, str]()
        for number, run in enumerate(self.results.runs, 1):
            found = {**run.machine, **run.versions}
            # Of a later run, what is no longer as before.
            facts = [f"- {name}: {value}" for name, value in found.items() if known.get(name) != value]
            known = found
            head = f"Run {number}: {run.date}, {self.results.minutes(run):.0f} minutes"
            yield "\n".join([head, "", *facts])

    @property
    def _columns(self) -> Sequence[str]:
        return (*COLUMNS[:-1], "run", "") if len(self.results.runs) > 1 else COLUMNS

    def _cells(self, line: Line) -> list[str]:
        *first, verdict = cells(line)
        runs = self.results.runs
        numbers = ", ".join(str(runs.index(run) + 1) for run in line.runs)
        return [*first, *([numbers] if len(runs) > 1 else []), verdict]

    def _wanted(self) -> str:
        """What was wanted and what was measured, in short; what was missed comes first."""
        wanted = [line for line in self.lines if line.row.wanted.bound is not None]
        reached = [line for line in wanted if line.verdict == "reached"]
        missed = [line for line in wanted if line.verdict.startswith("missed")]
        others = [line for line in wanted if line not in reached and line not in missed]
        left = f" {len(others)} were not measured." if others else ""
        head = f"Of {len(wanted)} rows with a goal, {len(reached)} reached it and {len(missed)} did not.{left}"
        listed = table(SHORT_COLUMNS, (short_cells(line) for line in [*others, *missed, *reached]))
        return "\n\n".join(["## Goals and results", head, listed])

    def _missed(self) -> Iterator[str]:
        missed = [line for line in self.lines if line.verdict.startswith("missed")]
        if missed:
            yield "## What was missed, and why"
            yield table(MISSED_COLUMNS, map(missed_cells, missed))

    def json(self) -> str:
        """All raw figures, times in seconds, and what the rows make of them."""
        told = [
            {
                "what": line.row.what,
                "orthanc": line.suite,
                "subject": line.row.subject.name,
                "against": line.row.peer.name if line.row.peer else None,
                "ratio": line.ratio,
                "wanted": str(line.row.wanted),
                "verdict": line.verdict,
                "missing": line.missing,
            }
            for line in self.lines
        ]
        whole = {"title": self.title, "data": "synthetic data", **self.results.as_json(), "rows": told}
        return json.dumps(whole, indent=1) + "\n"

    def write(self, folder: Path, name: str, chart: str) -> None:
        """Write name.json and name.md."""
        self.write_json(folder, name)
        (folder / f"{name}.md").write_text(self.markdown(chart))

    def write_json(self, folder: Path, name: str) -> None:
        """Write name.json, as a whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        new = folder / f".{name}.json.new"
        new.write_text(self.json())
        new.rename(folder / f"{name}.json")


NOTES = (
    '"Stock" is Orthanc with its DICOMweb plugin and no Python plugin; "tuned" has `MaximumStorageCacheSize`, '
    "`StorageMemoryCapacity`, `DicomParserMemoryCapacity` and `DicomParserCacheSize` at 4000 MB. Medians and 99th "
    "percentiles are of single requests of the subject; of fewer than a hundred requests the 99th percentile is the "
    "slowest. Throughput is counted by wrk, cold requests one by one with all files of the storage and the cache out "
    'of the page cache. "As good" is within a tenth.'
)


def short_cells(line: Line) -> list[str]:
    """One line of the short table."""
    row = line.row
    ratio = "–" if line.ratio is None else number(line.ratio)
    peer = row.peer.name if row.peer else "–"
    return [row.what, line.suite, row.subject.name, peer, str(row.wanted), ratio, line.verdict]


def missed_cells(line: Line) -> list[str]:
    """One line of the table of what was missed."""
    what, suite, _, peer, goal, measured, _ = short_cells(line)
    subject = "" if line.row.subject.name == "framecache" else f" ({line.row.subject.name})"
    return [f"{what}{subject}", suite, peer, goal, measured, cause(line.row, suite)]


def cells(line: Line) -> list[str]:
    """One line of the table."""
    subject, row = line.subject, line.row
    return [
        row.what,
        line.suite,
        row.subject.name,
        row.peer.name if row.peer else "–",
        shown(subject),
        shown(line.peer) if row.peer else "–",
        milliseconds(subject.median if subject else None),
        milliseconds(subject.p99 if subject else None),
        "–" if line.ratio is None else number(line.ratio),
        str(row.wanted),
        line.verdict,
    ]


def shown(figure: Figure | None) -> str:
    """The figure with its unit; seconds as milliseconds."""
    if figure is None:
        return "–"
    if figure.unit == "s":
        return milliseconds(figure.value)
    return f"{number(figure.value)} {figure.unit}"


def number(value: float) -> str:
    """Three significant digits, and no fraction of large numbers."""
    return f"{value:.3g}" if abs(value) < LARGE else f"{value:,.0f}"


def milliseconds(seconds: float | None) -> str:
    """Three significant digits, in ms."""
    if seconds is None:
        return "–"
    return f"{number(seconds * 1000)} ms"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown."""
    return "\n".join(map(_cells, [columns, ["---"] * len(columns), *rows]))


def _cells(texts: Iterable[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"
