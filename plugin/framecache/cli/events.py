"""`framecache events`: what happened in the cache."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from framecache.cli.errors import ExitCode
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
            session.output.note("the plugin was started anew: its events count from 1 again")
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
        session.output.note("some events before these are forgotten already")
    for event in told["Events"]:
        session.output.stream(event, _line(event))
    return int(told["Events"][-1]["Sequence"]) if told["Events"] else since


def _line(event: Mapping[str, Any]) -> str:
    parts = (event["Sequence"], event["Time"], event["Kind"], event.get("Level"), event.get("ID"), event.get("Text"))
    return " ".join(str(part) for part in parts if part not in (None, ""))
