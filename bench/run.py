"""Measures what the rows need, subject by subject, and keeps what came out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bench.client import NotAvailable
from bench.figure import Figure, of_rounds
from bench.lab import Lab
from bench.load import LoadFailed
from bench.probe import Probe
from bench.rows import Row
from bench.subject import (
    ARCHIVE,
    BUCKET,
    BUCKET_NOT_FILLING,
    COPY,
    COPYING,
    DICOMWEB_FILE_CLIENT,
    FILE_CLIENT,
    FRAMECACHE,
    FRAMECACHE_SLOW_LINE,
    FRAMECACHE_VIEWER,
    INDEX,
    NGINX,
    NGINX_VIEWER,
    NOT_FILLING,
    PUTTING,
    READING,
    STOCK,
    STOCK_BUCKET,
    STOCK_VIEWER,
    TRIVIAL,
    TUNED,
    WITHOUT,
    Subject,
)
from dev.console import say

# Those of a group are measured in turns, round by round, so that a slower moment of the machine meets all of them;
# the others only one after the other, as just one Orthanc runs at a time.
GROUPS = (
    (STOCK,),
    (TUNED,),
    (FRAMECACHE, NGINX, TRIVIAL, WITHOUT, COPY),
    (NOT_FILLING,),
    (INDEX,),
    (STOCK_VIEWER,),
    (FRAMECACHE_VIEWER, NGINX_VIEWER),
    (FRAMECACHE_SLOW_LINE,),
    (BUCKET_NOT_FILLING,),
    (BUCKET,),
    (STOCK_BUCKET,),
    (FILE_CLIENT, DICOMWEB_FILE_CLIENT),
    (ARCHIVE, COPYING, READING, PUTTING),
)

Key = tuple[str, str]


@dataclass
class Results:
    """Figures by probe and subject, and why some could not be had."""

    figures: dict[Key, Figure] = field(default_factory=dict)
    missing: dict[Key, str] = field(default_factory=dict)


def measure(lab: Lab, rows: Iterable[Row]) -> Results:
    """All figures that the rows need."""
    needed = dict.fromkeys(pair for row in rows for pair in row.measurements)
    results = Results()
    for group in GROUPS:
        for probe in dict.fromkeys(probe for probe, subject in needed if subject in group):
            subjects = [subject for subject in group if (probe, subject) in needed]
            _measure_in_turns(lab, probe, subjects, results)
    return results


def _measure_in_turns(lab: Lab, probe: Probe, subjects: Sequence[Subject], results: Results) -> None:
    rounds: dict[Subject, list[Figure]] = {subject: [] for subject in subjects}
    number = lab.size.rounds if len(subjects) > 1 else 1
    for _ in range(number):
        for subject in subjects:
            key = probe.name, subject.name
            if key in results.missing:
                continue
            started = time.monotonic()
            try:
                figure = probe.measure(lab, subject)
            except (NotAvailable, LoadFailed, OSError) as error:
                results.missing[key] = str(error)
                say(f"{probe.name}, {subject.name}: not available: {error}")
                continue
            rounds[subject].append(figure)
            say(f"{probe.name}, {subject.name}: {figure.value:.4g} {figure.unit} ({time.monotonic() - started:.0f} s)")
    results.figures |= {
        (probe.name, subject.name): of_rounds(figures)
        for subject, figures in rounds.items()
        if figures and (probe.name, subject.name) not in results.missing
    }
