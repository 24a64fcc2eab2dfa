"""`framecache backfill`: caching the instances that the archive had before the plugin."""

from __future__ import annotations

from framecache.cli.errors import ExitCode
from framecache.cli.output import properties
from framecache.cli.session import Session


def backfill(session: Session) -> ExitCode:
    """Report its progress."""
    answer = session.server.get("frame-cache/backfill")
    session.output.show(answer, properties(answer))
    return ExitCode.DONE


def start(session: Session) -> ExitCode:
    """Begin, or resume after a pause."""
    return _change(session, "start")


def pause(session: Session) -> ExitCode:
    """Pause until it is started again; it then resumes."""
    return _change(session, "pause")


def _change(session: Session, action: str) -> ExitCode:
    answer = session.server.post(f"frame-cache/backfill/{action}")
    session.output.show(answer, properties(answer))
    return ExitCode.DONE
