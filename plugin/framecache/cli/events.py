"""`framecache events`: the events of the cache."""

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
    """Show the remembered events after a sequence number; with --follow, also new ones until Ctrl-C.

    With --json, each line is an object.
    """
    since = session.arguments.since
    while True:
        page = session.server.get("frame-cache/events", since=since, limit=_PAGE)
        if page["Last"] < since:
            session.output.note("the plugin has restarted: its events count from 1 again")
            since = 0
            continue
        since = _show(session, page, since)
        if not page["Done"]:
            continue
        if not session.arguments.follow:
            return ExitCode.DONE
        time.sleep(_POLL_SECONDS)


def _show(session: Session, page: Mapping[str, Any], since: int) -> int:
    """Show a page of events; return the sequence number to continue after."""
    if page.get("Missed") and since:
        session.output.note("some earlier events are no longer available")
    names = {} if session.output.is_json else _names(session, page["Events"])
    for event in page["Events"]:
        session.output.stream(event, _line(event, names.get(event.get("ID"))))
    return int(page["Events"][-1]["Sequence"]) if page["Events"] else since


def _names(session: Session, events: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The names of the events' studies by Orthanc ID, as far as Orthanc still has them."""
    ids: dict[str, set[str]] = {}
    for event in events:
        if event.get("ID"):
            ids.setdefault(str(event.get("Level")), set()).add(str(event["ID"]))
    names = StudyNames(session.server)
    return {key: name for level in ids for key, name in names.of(level, ids[level]).items()}


def _line(event: Mapping[str, Any], name: str | None) -> str:
    head = (event["Sequence"], event["Time"], event["Kind"], event.get("Level"), event.get("ID"))
    parts = (*head, f"({name})" if name else "", event.get("Text"))
    return " ".join(str(part) for part in parts if part not in (None, ""))
