"""`python -m bench [--quick]`: measures, and writes a table, a chart and all figures into docs/benchmarks.

Each figure is kept as soon as it is measured, and replaces that of an earlier run: runs of some rows add up.
"""

from __future__ import annotations

import argparse
import datetime
import signal
import sys
import time
from pathlib import Path

from bench import tools as tools_module
from bench.benchmark import OUTPUT, SUITES, Benchmark, listed
from bench.machine import machine, versions
from bench.results import Key, Measurement, Run
from bench.run import Schedule, measure
from bench.samples import FULL, QUICK
from dev.console import exit_code, say


def run(benchmark: Benchmark, suites: list[str], options: argparse.Namespace) -> None:
    """Measure what is wanted, and write the report; whatever ends it, of what there is."""
    tools, results = tools_module.unpack(), benchmark.results()
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    now = Run(today, machine(benchmark.folder), versions(list(benchmark.suites), tools))

    def keep(key: Key, measurement: Measurement) -> None:
        results.measurements[key] = measurement
        benchmark.report(results).write_json(benchmark.output, benchmark.name)

    until = time.monotonic() + options.minutes * 60
    schedule = Schedule(now, results, keep, only_missing=options.missing, until=until)
    try:
        for suite in suites:
            rows = [row for _, row in benchmark.chosen([suite], options.only)]
            with benchmark.lab(suite, tools, options.port) as lab:
                measure(lab, rows, schedule)
    finally:
        benchmark.write(results)


def main() -> None:
    options = parser().parse_args()
    # Asked to end in any way, the servers are stopped first.
    for end in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(end, signal.default_int_handler)
    benchmark = Benchmark(QUICK if options.quick else FULL, options.output)
    suites = options.suite or list(benchmark.suites)
    if options.list:
        for line in listed(benchmark, suites, options.only):
            say(line)
        return
    with benchmark.alone():
        if options.write:
            benchmark.write(benchmark.results())
        elif options.prepare:
            benchmark.prepare(tools_module.unpack(), options.port)
        else:
            run(benchmark, suites, options)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    made.add_argument("--quick", action="store_true", help="fewer frames, rows and seconds")
    made.add_argument(
        "--only", default="", metavar="PATTERN", help="only rows whose names match (a regular expression)"
    )
    made.add_argument("--suite", action="append", choices=SUITES, help="only with Orthanc of this one")
    made.add_argument("--missing", action="store_true", help="only what has no figure yet")
    made.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing more after so many minutes")
    made.add_argument("--list", action="store_true", help="list the rows and how long they take, and measure nothing")
    made.add_argument("--prepare", action="store_true", help="make the data and store them, and measure nothing")
    made.add_argument("--write", action="store_true", help="write the tables anew, and measure nothing")
    made.add_argument("--port", type=int, default=8600, help="the first of four ports that are used")
    made.add_argument("--output", type=Path, default=OUTPUT, help="the folder to write to")
    return made


if __name__ == "__main__":
    sys.exit(exit_code(main))
