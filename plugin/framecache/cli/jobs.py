"""`framecache jobs`: list, follow, pause and cancel the server's jobs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.progress import Progress, TaskID

from framecache.cli.errors import ExitCode
from framecache.cli.output import size, table
from framecache.cli.session import Session

Job = Mapping[str, Any]

_ENDED = ("done", "failed", "cancelled")
_COLUMNS = ("job", "kind", "subject", "state", "done", "unit", "bytes", "created", "result")


def jobs(session: Session) -> ExitCode:
    """List the jobs that the server remembers, newest first."""
    answer = session.server.get("frame-cache/jobs")
    session.output.show(answer, _table(answer["Jobs"]))
    return ExitCode.DONE


def cancel(session: Session) -> ExitCode:
    """Cancel jobs; their results so far stay, and jobs that have ended do not change."""
    return _act(session, "cancel")


def pause(session: Session) -> ExitCode:
    """Pause the backfill, or work that several machines share, on all of them."""
    return _act(session, "pause")


def resume(session: Session) -> ExitCode:
    """Resume what was paused."""
    return _act(session, "resume")


def _act(session: Session, action: str) -> ExitCode:
    changed = [session.server.post(f"frame-cache/jobs/{job}/{action}") for job in session.arguments.jobs]
    session.output.show(changed, _table(changed))
    return ExitCode.DONE


def follow_named(session: Session) -> ExitCode:
    """Follow jobs that were started before."""
    return follow(session, session.arguments.jobs)


def follow(session: Session, job_ids: Sequence[str]) -> ExitCode:
    """Show the progress of jobs until all have ended; REFUSED if one failed, was cancelled or found faults.

    Ctrl-C ends the display, not the jobs.
    """
    try:
        ended = until_ended(session, job_ids)
    except KeyboardInterrupt:
        names = " ".join(job_ids)
        session.output.note(f"the server is still working. `framecache jobs follow {names}` shows the progress,")
        session.output.note(f"`framecache jobs cancel {names}` ends it")
        return ExitCode.INTERRUPTED
    session.output.show(list(ended), _table(ended))
    return ExitCode.DONE if all(is_well(job) for job in ended) else ExitCode.REFUSED


def is_well(job: Job) -> bool:
    """Whether it completed without failures and found no damage."""
    result = job.get("Result") or {}
    return job["State"] == "done" and not any(result.get(fault) for fault in ("Damaged", "Failed"))


def until_ended(session: Session, job_ids: Sequence[str]) -> list[Job]:
    """Show the progress of jobs; return their last state when all have ended."""
    with session.output.progress() as progress:
        bars = {job_id: progress.add_task(job_id, total=None, unit="") for job_id in job_ids}
        jobs: dict[str, Job] = {}
        while True:
            for job_id, bar in bars.items():
                if job_id not in jobs or jobs[job_id]["State"] not in _ENDED:
                    jobs[job_id] = session.server.get(f"frame-cache/jobs/{job_id}")
                    _show(progress, bar, jobs[job_id])
            if all(job["State"] in _ENDED for job in jobs.values()):
                return list(jobs.values())
            time.sleep(session.poll_seconds)


def _show(progress: Progress, bar: TaskID, job: Job) -> None:
    # A few digits of the ID leave room for the bar.
    description = f"{job['Kind']} {(job['Subject'] or '')[:8]} {job['State']}"
    progress.update(bar, completed=job["Done"], total=job["Total"], description=description, unit=job["Unit"])


def _table(jobs: Sequence[Job]) -> Any:
    return table(_COLUMNS, [_row(job) for job in jobs])


def _row(job: Job) -> tuple[object, ...]:
    total = "" if job["Total"] is None else f"/{job['Total']}"
    figures = {key: value for key, value in (job.get("Result") or {}).items() if isinstance(value, int | float)}
    result = job.get("Error") or " ".join(f"{key}={value}" for key, value in figures.items())
    return (
        job["ID"],
        job["Kind"],
        job["Subject"],
        job["State"],
        f"{job['Done']}{total}",
        job["Unit"],
        size(job["Bytes"] or 0),
        job["Created"],
        result,
    )
