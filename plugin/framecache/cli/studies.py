"""`framecache studies`: what is in the cache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from framecache.cli.errors import ExitCode
from framecache.cli.output import counted, properties, size, table
from framecache.cli.resources import resolve
from framecache.cli.session import Session

_COLUMNS = ("study", "frames", "kept", "last viewed", "pinned", "Study Instance UID")
_SERIES_COLUMNS = ("series", "instances", "frames", "kept", "Series Instance UID")


def studies(session: Session) -> ExitCode:
    """A page of the studies in the cache, or one study with its series."""
    if session.arguments.study:
        return _study(session)
    wanted = session.arguments
    told = session.server.get("frame-cache/studies", limit=wanted.limit, offset=wanted.offset, sort=wanted.sort)
    rows = [_row(study) for study in told["Studies"]]
    session.output.tell(told, table(_COLUMNS, rows), f"{len(rows)} of {counted(told['Total'], 'study', 'studies')}")
    return ExitCode.DONE


def _study(session: Session) -> ExitCode:
    study = resolve(session.server, session.arguments.study, "studies")
    told: dict[str, Any] = session.server.get(study.path)
    series = [
        (
            one["ID"],
            f"{one['CachedInstances']}/{one['StoredInstances']}",
            _frames(one),
            size(one["Bytes"]),
            one["SeriesInstanceUID"],
        )
        for one in told["SeriesList"]
    ]
    summary = {key: value for key, value in told.items() if key != "SeriesList"}
    session.output.tell(told, properties(summary), "", table(_SERIES_COLUMNS, series))
    return ExitCode.DONE


def _row(study: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        study["ID"],
        _frames(study),
        size(study["Bytes"]),
        study["LastViewed"],
        study["Pinned"],
        study["StudyInstanceUID"],
    )


def _frames(one: Mapping[str, Any]) -> str:
    return f"{one['CachedFrames']}/{one['Frames']}"
