"""`framecache status`: whether it works, and what it did."""

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
    "FilledInstances",
    "FilledFrames",
    "QueueLength",
    "Failures",
)


def status(session: Session) -> ExitCode:
    """The start-up checks and the counters; REFUSED where a check failed or nothing is kept."""
    told: dict[str, Any] = session.server.get("frame-cache/status")
    checks = [(one["Name"], one["Passed"], one.get("Advice", "")) for one in told["Checks"]]
    session.output.tell(told, table(("check", "passed", "what to do"), checks), "", properties(_summary(told)))
    is_well = told["Serving"] and not told.get("Degraded") and all(passed for _, passed, _ in checks)
    return ExitCode.DONE if is_well else ExitCode.REFUSED


def _summary(told: Mapping[str, Any]) -> dict[str, object]:
    degraded = told.get("Degraded") or {}
    return {
        "Version": told["Version"],
        "Orthanc": told["Versions"].get("Orthanc"),
        "Serving": told["Serving"],
        "Degraded": " since ".join(str(degraded[key]) for key in ("Reason", "Since") if key in degraded) or None,
        **(_cache(told) if "Bytes" in told else {}),  # one that stands aside has none
    }


def _cache(told: Mapping[str, Any]) -> dict[str, object]:
    return {
        "Cached": f"{size(told['Bytes'])} of {size(told['MaximumBytes'])}",
        "PinnedStudies": len(told["PinnedStudies"]),
        **{name: told[name] for name in _COUNTERS if name in told},
    }
