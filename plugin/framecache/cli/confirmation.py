"""Asks before something is lost."""

from __future__ import annotations

import sys

from framecache.cli.errors import CommandError, ExitCode
from framecache.cli.session import Session


def confirm(session: Session, question: str, *, unchanged: str) -> None:
    """Raises CommandError unless there is --yes, or the user says so; `unchanged` says what did not happen then."""
    if session.arguments.yes:
        return
    if not sys.stdin.isatty():
        raise CommandError(f"{unchanged}: without a terminal, confirm with --yes", ExitCode.USAGE)
    session.output.note(f"{question} [y/N]")
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise CommandError(unchanged)
