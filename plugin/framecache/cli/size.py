"""`framecache size`: the required size of the cache for a site's arrivals, and how long the present size lasts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from framecache.cli.arrivals import Worth, read
from framecache.cli.change_log import ChangeLog
from framecache.cli.errors import CommandError, ExitCode
from framecache.cli.output import counted, properties
from framecache.cli.output import size as shown_bytes
from framecache.cli.rules import preview
from framecache.cli.session import Session
from framecache.cli.sizing import Sizing


def size(session: Session) -> ExitCode:
    """Read the arrivals of the last weeks, and recommend a size. Raises CommandError."""
    settings, arguments = _settings(session), session.arguments
    if not session.server.get("system").get("Capabilities", {}).get("HasExtendedChanges"):
        raise CommandError("Orthanc's database cannot list new series (no extended changes in /system)")
    now = datetime.now(UTC)
    window = ChangeLog(session.server).window(now - timedelta(weeks=arguments.weeks))
    if window is None:
        raise CommandError("Orthanc's log of changes is empty, so arrivals are unknown")
    with session.output.progress() as progress:
        arrivals = read(session.server, window, _worth(settings), arguments.series, progress)
    sizing = Sizing(settings, window, now, arrivals, arguments.days, _by_rules(session, settings))
    statistics = session.server.get("statistics")
    report = {**sizing.to_json(), "Archive": statistics, "Requests": session.server.number_of_requests}
    session.output.show(report, properties(_shown(sizing, statistics)), *(f"\n- {note}" for note in sizing.notes()))
    return ExitCode.DONE


def _settings(session: Session) -> dict[str, Any]:
    """The plugin's settings; empty without the plugin, as the size is useful before it is installed."""
    try:
        # A plugin that is off, by a wrong setting or "Enable", reports none.
        settings: dict[str, Any] = session.server.get("frame-cache/status").get("Settings", {})
    except CommandError as error:
        if error.code != ExitCode.NO_PLUGIN:
            raise
        return {}
    return settings


def _by_rules(session: Session, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The server's dry run over the same weeks, if rules or Transcode decide what is cached."""
    if not (settings.get("Rules") or settings.get("Transcode")):
        return None
    return preview(session, {"Rules": None, "Days": session.arguments.weeks * 7})


def _worth(settings: dict[str, Any]) -> Worth:
    default = Worth()
    frames = settings.get("MinimumFrames", default.minimum_frames)
    return Worth(frames, settings.get("MinimumFrameMB", default.minimum_frame_mb))


def _shown(sizing: Sizing, statistics: dict[str, Any]) -> dict[str, object]:
    """The figures as text for people."""
    daily, report = sizing.daily, sizing.to_json()
    looked = report["LookedAt"]
    numbers = (
        statistics["CountInstances"],
        looked["OfInstances"],
        looked["Instances"],
        report["PerDay"]["CachedInstances"],
    )
    stored, arrived, seen, cached = (counted(number, "instance") for number in numbers)
    rows = {
        "archive": f"{stored}, {shown_bytes(int(statistics['TotalDiskSize']))}",
        "arrived": f"about {arrived} in {looked['OfSeries']} series in {counted(looked['Days'], 'day')}",
        "examined": f"{seen} of {looked['Series']} series",
        "for the cache": f"instances in {looked['CachedSeries']} of these series",
        "a day": f"{cached}, {shown_bytes(daily.total)}{_range(sizing, 1)}",
    }
    if report["BusiestDay"]:
        rows["busiest day"] = f"{report['BusiestDay']['Date']}, {shown_bytes(report['BusiestDay']['Bytes'])}"
    if sizing.present:
        rows["now"] = f"MaximumSizeMB {sizing.present['MaximumSizeMB']} keeps {_days(sizing.present)}"
    needed = f"{shown_bytes(daily.total * sizing.days)}{_range(sizing, sizing.days)}"
    rows[f"for {counted(sizing.days, 'day')}"] = f"MaximumSizeMB {sizing.wanted['MaximumSizeMBHigh']}: {needed}"
    if report["ByRules"] and report["ByRules"]["BytesPerDay"] is not None:
        rules = report["ByRules"]
        rows["by the rules"] = f"{shown_bytes(rules['BytesPerDay'])} a day; {_kept(rules['DaysKept'])}"
        rows[f"{counted(sizing.days, 'day')} by rules"] = f"MaximumSizeMB {rules['MaximumSizeMB']}"
    return dict(rows)


def _kept(days: float | None) -> str:
    return "nothing in these weeks" if days is None else f"the present MaximumSizeMB keeps {counted(days, 'day')}"


def _range(sizing: Sizing, days: int) -> str:
    """The bounds of the bytes that arrive in so many days, if they are estimates."""
    low, high = (shown_bytes(one * days) for one in (sizing.daily.low, sizing.daily.high))
    return f" ({low} to {high})" if sizing.arrivals.is_sample else ""


def _days(present: dict[str, Any]) -> str:
    if present["Days"] is None:
        return "all arrivals: found nothing to cache"
    if present["DaysLow"] == present["DaysHigh"]:
        return counted(present["Days"], "day")
    return f"{counted(present['Days'], 'day')} ({present['DaysLow']} to {present['DaysHigh'] or 'all'})"
