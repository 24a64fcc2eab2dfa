"""`framecache warm`, `verify`, `purge`, `pin` and `unpin`: actions on studies, series and instances."""

from __future__ import annotations

from typing import Any

from framecache.cli.confirmation import confirm
from framecache.cli.errors import ExitCode
from framecache.cli.jobs import follow
from framecache.cli.output import table
from framecache.cli.resources import Resource, resolve
from framecache.cli.session import Session


def warm(session: Session) -> ExitCode:
    """Cache stored instances."""
    return _job(session, "warm")


def verify(session: Session) -> ExitCode:
    """Compare cached blocks with their checksums."""
    return _job(session, "verify")


def purge(session: Session) -> ExitCode:
    """Remove it from the cache. Raises CommandError unless the user confirms."""
    resources = _resources(session)
    for one in resources if not session.arguments.yes else ():
        session.output.note(f"{one.level} {one.orthanc_id}")
    question = "leave the cache (Orthanc keeps them, and the next view caches them again). Continue?"
    confirm(session, question, unchanged="nothing was removed")
    return _report(session, [_act(session, one, "purge") for one in resources], "Instances", "PurgedInstances")


def pin(session: Session) -> ExitCode:
    """Exempt studies from eviction, up to half of the cache in all."""
    return _report(session, [_act(session, one, "pin") for one in _resources(session, "studies")], "Pinned")


def unpin(session: Session) -> ExitCode:
    """Allow the eviction of studies again."""
    return _report(session, [_act(session, one, "unpin") for one in _resources(session, "studies")], "Pinned")


def _job(session: Session, action: str) -> ExitCode:
    """Start one job for each resource; the server decides how many run at once."""
    answers = [_act(session, one, action) for one in _resources(session)]
    jobs = [str(answer["Job"]) for answer in answers if answer.get("Job")]
    if session.arguments.wait and jobs:
        return follow(session, jobs)
    if len(jobs) < len(answers):
        session.output.note("this version of the plugin has no jobs: the work continues, but cannot be followed")
    return _report(session, answers, "Instances", "Job")


def _resources(session: Session, *levels: str) -> list[Resource]:
    """Resolve all names first, so that a typing error changes nothing."""
    return [resolve(session.server, name, *levels) for name in session.arguments.names]


def _act(session: Session, resource: Resource, action: str) -> dict[str, Any]:
    answer: dict[str, Any] = session.server.post(f"{resource.path}/{action}")
    return answer


def _report(session: Session, answers: list[dict[str, Any]], *columns: str) -> ExitCode:
    rows = [[answer.get("ID"), *(answer.get(name) for name in columns)] for answer in answers]
    session.output.show(answers, table(("ID", *columns), rows))
    return ExitCode.DONE
