"""The result of a dry run: what each rule would bring into the cache, and how many days of it there is room for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from framecache.orthanc.instance import DescribedInstance
from framecache.policy.keys import day_of
from framecache.policy.policy import Treatment
from framecache.policy.rule import Extract, Rule
from framecache.prefetch.dry_run import Tally
from framecache.prefetch.extraction_cost import MeasuredCost


class Forecast:
    """Counts by rule; what no rule is about is counted by what becomes of it."""

    def __init__(self, rules: Sequence[Rule], first: date, today: date) -> None:
        """`first` is the day of the earliest studies that are looked at, `today` that of the latest."""
        self._rules, self._first, self._today = rules, first, today
        self._tallies = [Tally() for _ in rules]
        self._others: dict[Extract, Tally] = {}
        self._oldest = today
        self.studies = 0

    def add(self, arrival: DescribedInstance, treatment: Treatment) -> None:
        """One more instance, and what is done with it."""
        if treatment.rule is not None and treatment.rule < len(self._rules):
            tally = self._tallies[treatment.rule]
        else:
            tally = self._others.setdefault(treatment.extract, Tally())
        tally.add(arrival, treatment)
        self._oldest = min(self._oldest, day_of(arrival.study_date) or self._oldest)

    def to_json(self, maximum_bytes: int, measured: Mapping[str, MeasuredCost]) -> dict[str, Any]:
        """As the job shows it; `maximum_bytes` is what the cache may hold."""
        total = Tally()
        for tally in (*self._tallies, *self._others.values()):
            total.merge(tally)
        size = total.cache_bytes(measured)
        rules = zip(self._tallies, self._rules, strict=True)
        return {
            "Days": (self._today - self._first).days,
            "FirstStudyDate": self._oldest.isoformat() if self.studies else None,
            "Studies": self.studies,
            "DaysKept": round(maximum_bytes / size * self._days(), 1) if size else None,
            "Measured": {name: _measured_json(sums) for name, sums in measured.items()},
            "Rules": [
                *(
                    {"Rule": number, "Written": rule.written, "Extract": rule.extract, **_json(tally, measured)}
                    for number, (tally, rule) in enumerate(rules, 1)
                ),
                *(
                    {"Rule": None, "Written": None, "Extract": extract, **_json(tally, measured)}
                    for extract, tally in sorted(self._others.items())
                ),
            ],
            "Total": _json(total, measured),
        }

    def _days(self) -> int:
        """The days that the studies are from: an archive may be younger than what was asked for."""
        return (self._today - self._oldest).days + 1


def _json(tally: Tally, measured: Mapping[str, MeasuredCost]) -> dict[str, Any]:
    seconds = tally.seconds(measured)
    return {
        "Instances": tally.instances,
        "Frames": tally.frames,
        "StoredBytes": tally.stored_bytes,
        "CacheBytes": tally.cache_bytes(measured),
        "CPUSeconds": None if seconds is None else round(seconds, 1),
    }


def _measured_json(sums: MeasuredCost) -> dict[str, Any]:
    return {
        "StoredBytes": round(sums.stored_bytes),
        "CacheBytes": round(sums.kept_bytes),
        "CPUSeconds": round(sums.seconds, 3),
    }
