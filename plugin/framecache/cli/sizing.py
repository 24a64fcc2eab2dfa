"""The required size of the cache, computed from arrivals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from framecache.cli.arrivals import RecentArrivals
from framecache.cli.change_log import LogWindow
from framecache.cli.sampling import Estimate

_MEGABYTE = 1 << 20
_DAY = timedelta(days=1)
_WEEK_DAYS = 7
_SMALLEST_MB = 16  # the setting's minimum
_FEW = 30  # below so many series with cached instances the estimate is unreliable


@dataclass(frozen=True)
class Sizing:
    """From arrivals in a `window` that ends `now`, for a horizon of `days`. `settings` are the plugin's, or empty.

    `by_rules` is the result of the server's dry run, if rules decide what is cached.
    """

    settings: Mapping[str, Any]
    window: LogWindow
    now: datetime
    arrivals: RecentArrivals
    days: int
    by_rules: Mapping[str, Any] | None = None

    @property
    def looked_back(self) -> float:
        """The days that the arrivals span, at least one."""
        return max(1.0, (self.now - self.window.since) / _DAY)

    @property
    def daily(self) -> Estimate:
        """Bytes for the cache per day."""
        return self.arrivals.size / self.looked_back

    @property
    def wanted(self) -> dict[str, int]:
        """MaximumSizeMB for the horizon, in MiB."""

        def allowed(megabytes: float) -> int:
            return max(_SMALLEST_MB, math.ceil(megabytes))

        return _bounds("MaximumSizeMB", self.daily, self.days / _MEGABYTE, allowed)

    @property
    def present(self) -> dict[str, Any] | None:
        """The days that the present size lasts; None for a number of days if nothing arrives."""
        megabytes = self.settings.get("MaximumSizeMB")
        if megabytes is None:
            return None
        # A higher rate means fewer days.
        rates = {"Days": self.daily.total, "DaysLow": self.daily.high, "DaysHigh": self.daily.low}
        days = {name: round(megabytes * _MEGABYTE / rate, 1) if rate else None for name, rate in rates.items()}
        return {"MaximumSizeMB": megabytes, **days}

    def to_json(self) -> dict[str, Any]:
        """Bytes are those of stored frames; …Low and …High bound the result of 95 of 100 such samples."""
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
        """The need by the rules or Transcode; None if the server has not yet measured the size of a form."""
        assert self.by_rules is not None  # noqa: S101
        total, kept = self.by_rules["Total"]["CacheBytes"], self.by_rules["DaysKept"]
        megabytes = self.settings["MaximumSizeMB"]
        daily = megabytes * _MEGABYTE / kept if kept else (None if total is None else 0)
        wanted = None if daily is None else max(_SMALLEST_MB, math.ceil(daily * self.days / _MEGABYTE))
        return {"BytesPerDay": None if daily is None else round(daily), "DaysKept": kept, "MaximumSizeMB": wanted}

    def notes(self) -> Iterator[str]:
        """Remarks on the figures."""
        if self.window.is_whole_log and self.looked_back < _WEEK_DAYS:
            yield "Orthanc's log of changes covers less than a week: repeat this after a few weeks of normal work"
        elif self.window.is_whole_log:
            yield f"Orthanc's log of changes begins only on {self.window.since:%Y-%m-%d}"
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
            yield f'with Mode "{self.settings["Mode"]}" frames that can be sent from Orthanc\'s own files use no space'
        if self.by_rules and self.by_rules["Total"]["CacheBytes"] is None:
            yield "the figures exclude rules and Transcode: this server has not cached such forms yet"
        elif self.by_rules:
            yield "the figures of rules and Transcode go by Study Date; the other figures exclude them"


def _bounds(name: str, estimate: Estimate, factor: float, rounded: Callable[[float], int]) -> dict[str, int]:
    values = {"": estimate.total, "Low": estimate.low, "High": estimate.high}
    return {f"{name}{suffix}": rounded(value * factor) for suffix, value in values.items()}
