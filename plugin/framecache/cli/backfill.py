"""`framecache backfill`: what the archive held before the plugin, brought into the cache."""

from __future__ import annotations

from framecache.cli.errors import ExitCode
from framecache.cli.output import properties
from framecache.cli.session import Session


def backfill(session: Session) -> ExitCode:
    """How far it is."""
    told = session.server.get("frame-cache/backfill")
    session.output.tell(told, properties(told))
    return ExitCode.DONE


def start(session: Session) -> ExitCode:
    """Begin, or go on after a pause."""
    return _change(session, "start")


def pause(session: Session) -> ExitCode:
    """Stop until it is started again; it goes on where it was."""
    return _change(session, "pause")


def _change(session: Session, action: str) -> ExitCode:
    told = session.server.post(f"frame-cache/backfill/{action}")
    session.output.tell(told, properties(told))
    return ExitCode.DONE
