"""The benchmark in one of its sizes: its rows, its data, and what was measured so far."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.archive import make_archive
from bench.chart import draw
from bench.documents import write_documents
from bench.lab import Lab, Places
from bench.probes import objects
from bench.probes.folder import large_index, small_files
from bench.report import Report, keys, lines
from bench.results import Key, Results
from bench.rows import Row, rows
from bench.samples import FULL, Size, data_sets
from bench.tools import Tools
from dev.console import CACHE, CHECKOUT, SetupError, say

# All rows are measured with Orthanc of the first one, some with both.
SUITES = ("forky", "trixie")
OUTPUT = CHECKOUT / "docs/benchmarks"
IN_ARCHIVE = ("native", "jpeg-2000", "cine", "mammogram", "tiles", "huge", "thousand", "many")
ONLY_FULL = ("thousand", "many")
IN_SECOND_ARCHIVE = ("native", "jpeg-2000")


@dataclass(frozen=True)
class Benchmark:
    """Its data lie in .cache, its results in `output`."""

    size: Size
    output: Path

    @property
    def name(self) -> str:
        return "bench" if self.size is FULL else "bench-quick"

    @property
    def folder(self) -> Path:
        return CACHE.resolve() / "bench" / self.size.name

    @property
    def suites(self) -> tuple[str, ...]:
        return SUITES if self.size is FULL else SUITES[:1]

    def rows(self, suite: str) -> list[Row]:
        """What is measured with Orthanc of a suite."""
        here = {"all", "main" if suite == SUITES[0] else "second"}
        made = rows(data_sets(self.size, self._samples))
        return [row for row in made if row.suites in here and (row.quick or self.size is FULL)]

    def chosen(self, suites: Iterable[str], pattern: str) -> Iterator[tuple[str, Row]]:
        """The rows of these suites whose names match, a regular expression."""
        for suite in suites:
            yield from ((suite, row) for row in self.rows(suite) if re.search(pattern, row.what))

    def lab(self, suite: str, tools: Tools, port: int) -> Lab:
        """Where the rows of a suite are measured, on four ports from this one."""
        data, places = data_sets(self.size, self._samples), Places(self._samples, self.folder / "temporary", port)
        names = [name for name in self._names(suite) if self.size is FULL or name not in ONLY_FULL]
        stored = [data[name] for name in names]
        make = partial(make_archive, suite, self.folder / suite, stored, self._samples, port)
        return Lab(suite, make, data, self.size, tools, places)

    @property
    def _samples(self) -> Path:
        return self.folder / "samples"

    @staticmethod
    def _names(suite: str) -> tuple[str, ...]:
        return IN_ARCHIVE if suite == SUITES[0] else IN_SECOND_ARCHIVE

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Raises SetupError where another one runs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SetupError("another benchmark is running in this checkout: wait for it") from None
            yield

    def prepare(self, tools: Tools, port: int) -> None:
        """Make the data and store them in Orthanc, which takes some minutes."""
        for one in data_sets(self.size, self._samples).values():
            one.files(self._samples)
        for suite in self.suites:
            with self.lab(suite, tools, port) as lab:
                say(f"Stored in {lab.archive.folder}, {small_files(lab)} and {large_index(lab)}")
                objects.large_index(lab).local.close()

    def results(self) -> Results:
        """What was measured so far, as far as rows need it."""
        results = Results.read(self.output / f"{self.name}.json")
        results.keep_only(key for suite, row in self.chosen(self.suites, "") for key in keys(suite, row))
        return results

    def report(self, results: Results) -> Report:
        """All rows with what was measured."""
        made = [line for suite in self.suites for line in lines(suite, self.rows(suite), results)]
        return Report(self.name, results, made)

    def write(self, results: Results) -> None:
        """The tables and the chart; of a whole benchmark, the figures that documents quote, too."""
        if not results.measurements:
            raise SetupError("nothing was measured yet")
        report, last = self.report(results), results.runs[-1]
        report.write(self.output, self.name, f"{self.name}.svg")
        draw(report.lines, self.output / f"{self.name}.svg", f"{last.date}, {last.machine['Cores']} cores")
        if self.size is FULL and self.output == OUTPUT:
            write_documents(report.lines)
        say(f"Written: {self.output / self.name}.md, .json and .svg")


def listed(benchmark: Benchmark, suites: list[str], pattern: str) -> Iterator[str]:
    """The rows, with the seconds that their figures took the last time; what a row above needs, too, counts there."""
    results, seen, total = benchmark.results(), set[Key](), 0.0
    for suite, row in benchmark.chosen(suites, pattern):
        new = [key for key in keys(suite, row) if key not in seen]
        seen |= set(new)
        took = [results.measurements[key].seconds for key in new if key in results.measurements]
        total += sum(took)
        seconds = f"{sum(took):.0f} s" if len(took) == len(new) else "?"
        peer = f" against {row.peer.name}" if row.peer else ""
        yield f"{seconds:>6}  {suite:6}  {row.what} ({row.subject.name}{peer})"
    yield f"{total / 60:.0f} minutes, without making the data"
