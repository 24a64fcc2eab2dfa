"""What the benchmark writes: all raw figures as JSON, and a table in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.figure import Figure
from bench.rows import LEFT_OUT, Row
from bench.run import Results

LARGE = 1000
COLUMNS = ("what", "Orthanc", "subject", "against", "subject's", "other's", "median", "p99", "ratio", "goal", "")


SHORT_COLUMNS = ("what", "Orthanc", "subject", "against", "goal", "measured", "")


@dataclass(frozen=True)
class Line:
    """A row with what was measured for it; `missing` says why one figure is not there."""

    suite: str
    row: Row
    subject: Figure | None
    peer: Figure | None
    missing: str

    @property
    def ratio(self) -> float | None:
        if self.subject is None or (self.row.peer is not None and self.peer is None):
            return None
        return self.row.wanted.ratio(self.subject, self.peer)

    @property
    def verdict(self) -> str:
        if self.ratio is None or self.subject is None:
            return "not available"
        return self.row.wanted.verdict(self.subject, self.peer)


def lines(suite: str, rows: Iterable[Row], results: Results) -> list[Line]:
    """The rows of one suite with their figures."""
    made = []
    for row in rows:
        keys = [(probe.name, subject.name) for probe, subject in row.measurements]
        figures = [results.figures.get(key) for key in keys]
        missing = "; ".join(f"{key[1]}: {results.missing[key]}" for key in keys if key in results.missing)
        made.append(Line(suite, row, figures[0], figures[1] if len(figures) > 1 else None, missing))
    return made


@dataclass(frozen=True)
class Report:
    """A whole run."""

    title: str
    date: str
    seconds: float
    machine: dict[str, str]
    versions: dict[str, str]
    lines: Sequence[Line]

    def markdown(self, chart: str) -> str:
        """The table, with what has to be known to read it."""
        facts = [f"- {name}: {value}" for name, value in {**self.machine, **self.versions}.items()]
        table = [_cells(COLUMNS), _cells(["---"] * len(COLUMNS)), *(_cells(cells(line)) for line in self.lines)]
        missing = dict.fromkeys(f"- {line.row.what}: {line.missing}" for line in self.lines if line.missing)
        parts = [
            f"# {self.title}",
            f"Made by `make {self.title.split()[0]}` on {self.date} in {self.seconds / 60:.0f} minutes. "
            "The data are **synthetic data**: no image was ever a patient's. Load over loopback, client and server on "
            "the same machine: compare ratios with those of other machines, not times.",
            "\n".join(facts),
            self._wanted(),
            f"![Ratios]({chart})",
            "## All rows",
            "\n".join(table),
            NOTES,
            *(["Not available:\n\n" + "\n".join(missing)] if missing else []),
            "Not measured here:\n\n" + "\n".join(f"- {line}" for line in LEFT_OUT),
        ]
        return "\n\n".join(parts) + "\n"

    def _wanted(self) -> str:
        """What was wanted and what was measured, in short; what was missed comes first."""
        wanted = [line for line in self.lines if line.row.wanted.bound is not None]
        missed = [line for line in wanted if line.verdict != "reached"]
        reached = [line for line in wanted if line.verdict == "reached"]
        table = [
            _cells(SHORT_COLUMNS),
            _cells(["---"] * len(SHORT_COLUMNS)),
            *(_cells(short_cells(line)) for line in missed + reached),
        ]
        head = f"Of {len(wanted)} rows with a goal, {len(reached)} reached it and {len(missed)} did not."
        return "\n\n".join(["## Goals and results", head, "\n".join(table)])

    def json(self) -> str:
        """All raw figures; times in seconds."""
        told = [
            {
                "what": line.row.what,
                "orthanc": line.suite,
                "subject": line.row.subject.name,
                "against": line.row.peer.name if line.row.peer else None,
                "subject_figure": asdict(line.subject) if line.subject else None,
                "against_figure": asdict(line.peer) if line.peer else None,
                "ratio": line.ratio,
                "wanted": str(line.row.wanted),
                "verdict": line.verdict,
                "missing": line.missing,
            }
            for line in self.lines
        ]
        head = {"title": self.title, "data": "synthetic data", "date": self.date, "seconds": self.seconds}
        return json.dumps({**head, "machine": self.machine, "versions": self.versions, "rows": told}, indent=1) + "\n"

    def write(self, folder: Path, name: str, chart: str) -> None:
        """Write name.json and name.md."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(self.json())
        (folder / f"{name}.md").write_text(self.markdown(chart))


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


def _cells(texts: Iterable[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"
