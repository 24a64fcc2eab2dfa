"""`framecache events`: what happened in the cache."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from framecache.cli.errors import ExitCode
from framecache.cli.names import StudyNames
from framecache.cli.session import Session

_POLL_SECONDS = 1.0
_PAGE = 100


def events(session: Session) -> ExitCode:
    """What the server remembers since a number; with --follow, also what comes, until Ctrl-C.

    With --json one object a line.
    """
    since = session.arguments.since
    while True:
        told = session.server.get("frame-cache/events", since=since, limit=_PAGE)
        if told["Last"] < since:
            session.output.note("the plugin has restarted: its events count from 1 again")
            since = 0
            continue
        since = _show(session, told, since)
        if not told["Done"]:
            continue
        if not session.arguments.follow:
            return ExitCode.DONE
        time.sleep(_POLL_SECONDS)


def _show(session: Session, told: Mapping[str, Any], since: int) -> int:
    """The number to go on from."""
    if told.get("Missed") and since:
        session.output.note("some earlier events are no longer available")
    names = {} if session.output.is_json else _names(session, told["Events"])
    for event in told["Events"]:
        session.output.stream(event, _line(event, names.get(event.get("ID"))))
    return int(told["Events"][-1]["Sequence"]) if told["Events"] else since


def _names(session: Session, events: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Whose studies they are about, by Orthanc ID, as far as Orthanc still has them."""
    ids: dict[str, set[str]] = {}
    for event in events:
        if event.get("ID"):
            ids.setdefault(str(event.get("Level")), set()).add(str(event["ID"]))
    names = StudyNames(session.server)
    return {key: name for level in ids for key, name in names.of(level, ids[level]).items()}


def _line(event: Mapping[str, Any], name: str | None) -> str:
    told = (event["Sequence"], event["Time"], event["Kind"], event.get("Level"), event.get("ID"))
    parts = (*told, f"({name})" if name else "", event.get("Text"))
    return " ".join(str(part) for part in parts if part not in (None, ""))
