"""What follows from what arrives for the size of the cache."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from framecache.cli.arrivals import RecentArrivals
from framecache.cli.change_log import Window
from framecache.cli.sampling import Estimate

_MEGABYTE = 1 << 20
_DAY = timedelta(days=1)
_WEEK_DAYS = 7
_SMALLEST_MB = 16  # that the setting allows
_FEW = 30  # series met, below which chance decides


@dataclass(frozen=True)
class Sizing:
    """For arrivals in a `window` that ends `now`, and a horizon of `days`. `settings` are the plugin's, or empty.

    `by_rules` is what the server's dry run found, where rules decide what is kept.
    """

    settings: Mapping[str, Any]
    window: Window
    now: datetime
    arrivals: RecentArrivals
    days: int
    by_rules: Mapping[str, Any] | None = None

    @property
    def looked_back(self) -> float:
        """The days that the arrivals are of: one at least, for an archive that is younger."""
        return max(1.0, (self.now - self.window.since) / _DAY)

    @property
    def daily(self) -> Estimate:
        """Bytes that go into the cache in a day."""
        return self.arrivals.size / self.looked_back

    @property
    def wanted(self) -> dict[str, int]:
        """MaximumSizeMB for the horizon, in MiB."""

        def allowed(megabytes: float) -> int:
            return max(_SMALLEST_MB, math.ceil(megabytes))

        return _bounds("MaximumSizeMB", self.daily, self.days / _MEGABYTE, allowed)

    @property
    def present(self) -> dict[str, Any] | None:
        """How many days the cache keeps as it is set now; None in place of a number where nothing ever arrives."""
        megabytes = self.settings.get("MaximumSizeMB")
        if megabytes is None:
            return None
        # The more arrives, the fewer days.
        rates = {"Days": self.daily.total, "DaysLow": self.daily.high, "DaysHigh": self.daily.low}
        days = {name: round(megabytes * _MEGABYTE / rate, 1) if rate else None for name, rate in rates.items()}
        return {"MaximumSizeMB": megabytes, **days}

    def to_json(self) -> dict[str, Any]:
        """Bytes are those of frames as they are stored; …Low and …High bound what 95 of 100 such samples find."""
        found, looked_back, busiest = self.arrivals, self.looked_back, self.arrivals.busiest_day
        return {
            "LookedAt": {
                "Since": self.window.since.isoformat(),
                "Days": round(looked_back, 1),
                "Series": len(found.seen),
                "OfSeries": found.number,
                "Instances": sum(len(one.kept_bytes) for one in found.seen),
                "OfInstances": round(found.instances.total),
                "CachedSeries": found.number_kept,
                "IsSample": found.is_sample,
            },
            "PerDay": {
                "Instances": round(found.instances.total / looked_back, 1),
                "CachedInstances": round(found.kept.total / looked_back, 1),
                **_bounds("Bytes", self.daily, 1, round),
            },
            "ByRules": self.by_rules and self.rules_json(),
            "BusiestDay": busiest and {"Date": busiest[0].isoformat(), "Bytes": busiest[1]},
            "Present": self.present,
            "Wanted": {"Days": self.days, **self.wanted},
            "Notes": list(self.notes()),
        }

    def rules_json(self) -> dict[str, Any]:
        """What the rules, or Transcode, keep; None where the server has not measured yet what a form takes."""
        assert self.by_rules is not None  # noqa: S101
        total, kept = self.by_rules["Total"]["CacheBytes"], self.by_rules["DaysKept"]
        megabytes = self.settings["MaximumSizeMB"]
        daily = megabytes * _MEGABYTE / kept if kept else (None if total is None else 0)
        wanted = None if daily is None else max(_SMALLEST_MB, math.ceil(daily * self.days / _MEGABYTE))
        return {"BytesPerDay": None if daily is None else round(daily), "DaysKept": kept, "MaximumSizeMB": wanted}

    def notes(self) -> Iterator[str]:
        """What the figures leave open."""
        if self.window.is_whole_log and self.looked_back < _WEEK_DAYS:
            yield "Orthanc's log of changes is younger than a week: wait for a few weeks of usual work"
        elif self.window.is_whole_log:
            yield f"Orthanc's log of changes begins on {self.window.since:%Y-%m-%d} only"
        if self.arrivals.is_sample:
            yield "this is a sample: the bounds hold in about 95 of 100 cases; more --series narrow them"
        if self.arrivals.number_kept < _FEW:
            yield f"only {self.arrivals.number_kept} series have something to cache: too few for a reliable figure"
        yield from self._notes_on_settings()
        yield "deleted instances are not counted; add instances that are viewed again, and warmed priors"

    def _notes_on_settings(self) -> Iterator[str]:
        if not self.settings:
            yield "no frame cache answers there: the figures assume its default settings"
        if self.settings.get("Mode", "copy") != "copy":
            yield f'with Mode "{self.settings["Mode"]}" frames that can be sent from Orthanc\'s own files take no room'
        if self.by_rules and self.by_rules["Total"]["CacheBytes"] is None:
            yield "the figures exclude rules and Transcode: this server has not cached such forms yet"
        elif self.by_rules:
            yield "the figures of rules and Transcode go by Study Date; the other figures exclude them"


def _bounds(name: str, estimate: Estimate, factor: float, rounded: Callable[[float], int]) -> dict[str, int]:
    values = {"": estimate.total, "Low": estimate.low, "High": estimate.high}
    return {f"{name}{suffix}": rounded(value * factor) for suffix, value in values.items()}
