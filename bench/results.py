"""What was measured so far: kept as JSON beside the tables, so that several runs add up."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.figure import Figure


@dataclass(frozen=True)
class Run:
    """When and on what something was measured."""

    date: str
    machine: Mapping[str, str]
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Key:
    """What was measured: a probe by its name, and a subject by its name, with Orthanc of one suite."""

    suite: str
    probe: str
    subject: str


@dataclass(frozen=True)
class Measurement:
    """One figure, or why there is none; `seconds` is how long all rounds took."""

    run: Run
    seconds: float
    figure: Figure | None = None
    missing: str = ""


@dataclass
class Results:
    """The latest measurement of each."""

    measurements: dict[Key, Measurement] = field(default_factory=dict)

    @staticmethod
    def read(path: Path) -> Results:
        """Those of earlier runs; none where there is no file, or one of an older benchmark."""
        try:
            kept = json.loads(path.read_text())
            runs = [Run(**run) for run in kept["runs"]]
        except (FileNotFoundError, KeyError):
            return Results()
        return Results(dict(_measurement(runs, **one) for one in kept["measurements"]))

    def figure(self, key: Key) -> Figure | None:
        """What was measured, if it was."""
        found = self.measurements.get(key)
        return found.figure if found else None

    def keep_only(self, keys: Iterable[Key]) -> None:
        """Forget what no row needs any more."""
        needed = dict.fromkeys(keys)
        self.measurements = {key: one for key, one in self.measurements.items() if key in needed}

    @property
    def runs(self) -> list[Run]:
        """The runs that something is left of, oldest first."""
        found = list[Run]()
        for measurement in self.measurements.values():
            if measurement.run not in found:
                found.append(measurement.run)
        return sorted(found, key=lambda run: run.date)

    def minutes(self, run: Run) -> float:
        """How long the measurements of a run took."""
        return sum(one.seconds for one in self.measurements.values() if one.run == run) / 60

    def as_json(self) -> dict[str, Any]:
        """The runs, and the measurements with the number of theirs."""
        runs = self.runs
        measurements = [
            {**asdict(key), "run": runs.index(one.run), "seconds": round(one.seconds, 1), **_outcome(one)}
            for key, one in self.measurements.items()
        ]
        return {"runs": [asdict(run) for run in runs], "measurements": measurements}


def _outcome(measurement: Measurement) -> dict[str, Any]:
    figure = asdict(measurement.figure) if measurement.figure else None
    return {"figure": figure, "missing": measurement.missing}


def _measurement(runs: list[Run], run: int, seconds: float, **one: Any) -> tuple[Key, Measurement]:
    figure = Figure(**one["figure"]) if one["figure"] else None
    key = Key(one["suite"], one["probe"], one["subject"])
    return key, Measurement(runs[run], seconds, figure, one["missing"])
