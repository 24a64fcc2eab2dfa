"""`python -m bench [--quick]`: measures, and writes a table, a chart and all figures into docs/benchmarks."""

from __future__ import annotations

import argparse
import datetime
import fcntl
import re
import signal
import sys
import time
from functools import partial
from pathlib import Path

from bench import tools as tools_module
from bench.archive import make_archive
from bench.chart import draw
from bench.lab import Lab, Places
from bench.machine import machine, versions
from bench.report import Line, Report, lines
from bench.rows import Row, rows
from bench.run import measure
from bench.samples import FULL, QUICK, Size, data_sets
from bench.tools import Tools
from dev.console import CACHE, CHECKOUT, SetupError, exit_code, say

# The first one is measured in all rows, the others in some.
SUITES = ("forky", "trixie")
IN_ARCHIVE = ("native", "jpeg-2000", "cine", "mammogram", "tiles", "huge", "thousand", "many")
ONLY_FULL = ("thousand", "many")
IN_SECOND_ARCHIVE = ("native", "jpeg-2000")


def bench(size: Size, chosen: re.Pattern[str], suites: list[str], port: int, output: Path) -> None:
    """Measure the rows whose names match, and write the report."""
    folder, started = CACHE.resolve() / "bench" / size.name, time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    tools, all_lines = tools_module.unpack(), []
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SetupError("another benchmark is running in this checkout: wait for it") from None
        for suite in suites:
            all_lines += bench_suite(size, chosen, suite, tools, folder, port, is_main=suite == suites[0])
    name = "bench" if size is FULL else "bench-quick"
    report = Report(
        name,
        datetime.datetime.now(datetime.UTC).date().isoformat(),
        time.monotonic() - started,
        machine(folder),
        versions(suites, tools),
        all_lines,
    )
    output.mkdir(parents=True, exist_ok=True)
    report.write(output, name, f"{name}.svg")
    draw(all_lines, output / f"{name}.svg", f"{report.date}, {report.machine['Cores']} cores")
    say(f"Written: {output / name}.md, .json and .svg")


def bench_suite(
    size: Size, chosen: re.Pattern[str], suite: str, tools: Tools, folder: Path, port: int, *, is_main: bool
) -> list[Line]:
    """The lines of one suite."""
    samples = folder / "samples"
    data = data_sets(size, samples)
    wanted = [row for row in rows(data) if is_wanted(row, size, chosen, is_main=is_main)]
    if not wanted:
        return []
    names = [name for name in (IN_ARCHIVE if is_main else IN_SECOND_ARCHIVE) if size is FULL or name not in ONLY_FULL]
    make = partial(make_archive, suite, folder / suite, [data[name] for name in names], samples, port)
    places = Places(samples, folder / "temporary", port)
    with Lab(suite, make, data, size, tools, places) as lab:
        return lines(suite, wanted, measure(lab, wanted))


def is_wanted(row: Row, size: Size, chosen: re.Pattern[str], *, is_main: bool) -> bool:
    """Whether the row belongs to this run."""
    is_here = row.suites in ("all", "main" if is_main else "second")
    return (size is FULL or row.quick) and is_here and bool(chosen.search(row.what))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer frames, rows and seconds: about 3 minutes")
    parser.add_argument(
        "--only", default="", metavar="PATTERN", help="only rows whose names match (a regular expression)"
    )
    parser.add_argument("--suite", action="append", choices=SUITES, help="only these; all rows of the first")
    parser.add_argument("--port", type=int, default=8600, help="the first of four ports that are used")
    parser.add_argument("--output", type=Path, default=CHECKOUT / "docs/benchmarks", help="the folder to write to")
    options = parser.parse_args()
    # Asked to end in any way, the servers are stopped first.
    for end in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(end, signal.default_int_handler)
    size = QUICK if options.quick else FULL
    suites = options.suite or list(SUITES[: 1 if options.quick else None])
    bench(size, re.compile(options.only), suites, options.port, options.output)


if __name__ == "__main__":
    sys.exit(exit_code(main))
