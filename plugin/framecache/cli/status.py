"""`framecache status`: the start-up checks and the counters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from framecache.cli.errors import ExitCode
from framecache.cli.output import properties, size, table
from framecache.cli.session import Session

_COUNTERS = (
    "Entries",
    "Hits",
    "Misses",
    "Bypasses",
    "NotModified",
    "Errors",
    "ExtractedInstances",
    "ExtractedFrames",
    "QueueLength",
    "Failures",
)


def status(session: Session) -> ExitCode:
    """Show the start-up checks and the counters; REFUSED if a check failed or nothing can be cached."""
    report: dict[str, Any] = session.server.get("frame-cache/status")
    checks = [(one["Name"], one["Passed"], one.get("Advice", "")) for one in report["Checks"]]
    session.output.show(report, table(("check", "passed", "advice"), checks), "", properties(_summary(report)))
    is_well = report["Serving"] and not report.get("Degraded") and all(passed for _, passed, _ in checks)
    return ExitCode.DONE if is_well else ExitCode.REFUSED


def _summary(report: Mapping[str, Any]) -> dict[str, object]:
    degraded = report.get("Degraded") or {}
    return {
        "Version": report["Version"],
        "Orthanc": report["Versions"].get("Orthanc"),
        "Serving": report["Serving"],
        "Degraded": " since ".join(str(degraded[key]) for key in ("Reason", "Since") if key in degraded) or None,
        **(_cache(report) if "Bytes" in report else {}),  # absent while the plugin is off
    }


def _archive(archive: Mapping[str, Any]) -> str:
    fault = archive["Fault"]
    state = f"out of reach since {fault['Since']}: {fault['Reason']}" if fault else "in reach"
    comparison = archive.get("Comparison")
    told = f"; compared with Orthanc since {comparison['Since']}: {comparison['Reason']}" if comparison else ""
    return f"{state}; {archive['Behind']} behind{told}"


def _cache(report: Mapping[str, Any]) -> dict[str, object]:
    return {
        "Cached": f"{size(report['Bytes'])} of {size(report['MaximumBytes'])}",
        "PinnedStudies": len(report["PinnedStudies"]),
        **({"Archive": _archive(archive)} if (archive := report.get("Archive")) else {}),
        **{name: report[name] for name in _COUNTERS if name in report},
    }
