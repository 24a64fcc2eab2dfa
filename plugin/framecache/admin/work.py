"""Jobs, events and the backfill, as routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from framecache.admin.area import Answer, Asked, iso
from framecache.admin.jobs import Control, Job, Jobs, State
from framecache.declaration import Declaration, Number
from framecache.errors import BadRequest
from framecache.prefetch.backfill_plan import BackfillControl, BackfillState, SharedProgress
from framecache.telemetry.events import Events

_MOST_EVENTS = 1000
_LARGEST_SEQUENCE = 2**53 - 1  # exact in every JSON parser (RFC 8259 section 6)


EVENTS_ARGUMENTS = (
    Declaration("since", Number(int, 0, _LARGEST_SEQUENCE), 0, meaning="List events after this number."),
    Declaration("limit", Number(int, 1, _MOST_EVENTS), 100, meaning="At most this many."),
)


class JobWork:
    """The area of jobs and events."""

    def __init__(self, jobs: Jobs, events: Events, refresh: Callable[[], None] = lambda: None) -> None:
        """`refresh` is called before jobs are listed."""
        self._jobs, self._events, self._refresh = jobs, events, refresh
        self.get_routes: Mapping[str, Answer] = {
            "jobs": self.jobs,
            "jobs/([^/]+)": self.job,
            "events": Asked(self.events, EVENTS_ARGUMENTS),
        }
        self.post_routes: Mapping[str, Answer] = {
            "jobs/([^/]+)/cancel": self.cancel,
            "jobs/([^/]+)/pause": self.pause,
            "jobs/([^/]+)/resume": self.resume,
        }

    def jobs(self) -> dict[str, Any]:
        """GET /frame-cache/jobs: all jobs, newest first."""
        self._refresh()
        return {"Jobs": [job.to_json() for job in self._jobs.all()]}

    def job(self, job_id: str) -> dict[str, Any]:
        """GET /frame-cache/jobs/{id}. Raises NotFound."""
        return self._jobs.find(job_id).to_json()

    def cancel(self, job_id: str) -> dict[str, Any]:
        """POST /frame-cache/jobs/{id}/cancel: end the job soon; no effect if it has ended. Raises NotFound."""
        return self._jobs.cancel(job_id).to_json()

    def pause(self, job_id: str) -> dict[str, Any]:
        """POST /frame-cache/jobs/{id}/pause: no effect if it has ended. Raises NotFound, BadRequest."""
        job = self._jobs.find(job_id)
        if not job.has_ended:
            _control(job).pause()
        return job.to_json()

    def resume(self, job_id: str) -> dict[str, Any]:
        """POST /frame-cache/jobs/{id}/resume: the same."""
        job = self._jobs.find(job_id)
        if not job.has_ended:
            _control(job).resume()
        return job.to_json()

    def events(self, since: int, limit: int) -> dict[str, Any]:
        """GET /frame-cache/events?since=…: the events after that sequence number."""
        page = self._events.since(since, limit)
        events = [
            {
                "Sequence": event.sequence,
                "Time": iso(event.time),
                "Kind": event.kind,
                "Level": event.level,
                "ID": event.orthanc_id,
                "Text": event.text,
            }
            for event in page.events
        ]
        return {"Events": events, "Last": page.last, "Done": page.is_end, "Missed": page.is_gap}


def _control(job: Job) -> Control:
    if job.control is None:
        raise BadRequest(
            "only the backfill and work that several machines share can be paused; this job can be cancelled"
        )
    return job.control


_FOLLOW_SECONDS = 0.5
# A backfill that waits, for its hours or for idle time, is shown as a paused job.
_STATES: Mapping[BackfillState, State] = {"running": "running", "done": "done"}


class SharedWorkJobs:
    """Lists the work that workers share among the jobs of this node, from when it is first seen at work."""

    def __init__(self, backfill: BackfillControl, jobs: Jobs) -> None:
        self._backfill, self._jobs = backfill, jobs
        self._listed: dict[str, Job] = {}

    def refresh(self) -> None:
        """List what is at work and not listed yet."""
        for one in self._backfill.others():
            job = self._listed.get(one.kind)
            if not one.has_ended and (job is None or job.has_ended):
                follow, kind = partial(self._follow, one.kind), f"archive {one.kind}"
                self._listed[one.kind] = self._jobs.begin(kind, follow, total=one.total, control=self._control(one))

    def _control(self, one: SharedProgress) -> Control:
        backfill = self._backfill
        return Control(partial(backfill.pause_other, one.kind), partial(backfill.resume_other, one.kind))

    def _follow(self, kind: str, job: Job) -> None:
        """Until it is done. Whoever cancels the job ends the work on all machines."""
        while (one := self._find(kind)) is not None and not job.is_cancelled:
            job.done, job.total, job.size = one.done, one.total, one.size
            job.state = "paused" if one.is_paused else "running"
            if one.has_ended:
                if one.is_cancelled:
                    job.cancel()
                return
            job.pause(_FOLLOW_SECONDS)
        if job.is_cancelled and not self._jobs.is_stopping:
            self._backfill.cancel_other(kind)

    def _find(self, kind: str) -> SharedProgress | None:
        return next((one for one in self._backfill.others() if one.kind == kind), None)


class BackfillArea:
    """The area of the backfill, which is also listed as a job until it is done."""

    def __init__(self, backfill: BackfillControl, jobs: Jobs) -> None:
        self._backfill, self._jobs = backfill, jobs
        self._job: Job | None = None
        self.get_routes: Mapping[str, Answer] = {"backfill": self.report}
        self.post_routes: Mapping[str, Answer] = {"backfill/start": self.start, "backfill/pause": self.pause}
        if backfill.is_wanted:
            self._follow_it()

    def report(self) -> dict[str, Any]:
        """GET /frame-cache/backfill."""
        if self._backfill.state == "running":  # another node that shares it may have started it
            self._follow_it()
        return self._as_json()

    def _as_json(self) -> dict[str, Any]:
        backfill, progress = self._backfill, self._backfill.progress
        left = backfill.seconds_left
        return {
            "State": backfill.state,
            "Reason": backfill.reason,
            "Done": progress.looked_at,
            "Total": backfill.total,
            "Unit": "instances",
            "CachedInstances": progress.cached,
            "Bytes": progress.size,
            "StudyDate": backfill.study_date or None,
            "SecondsLeft": None if left is None else round(left),
        }

    def start(self) -> dict[str, Any]:
        """POST /frame-cache/backfill/start: begin, or resume after a pause; restart if it was done."""
        self._backfill.go_on()
        self._follow_it()
        return self.report()

    def pause(self) -> dict[str, Any]:
        """POST /frame-cache/backfill/pause: wait until it is started again, even across a restart of Orthanc."""
        self._backfill.pause()
        return self.report()

    def _follow_it(self) -> None:
        """List it among the jobs."""
        if self._job is None or self._job.has_ended:
            control = Control(self._backfill.pause, self._backfill.go_on)
            self._job = self._jobs.begin("backfill", self._follow, control=control)

    def _follow(self, job: Job) -> None:
        """Until it is done, or was cancelled on another node. Whoever cancels the job ends the work on all nodes."""
        has_ended = False
        while self._backfill.state != "done" and not job.is_cancelled:
            if has_ended := self._backfill.is_cancelled:
                job.cancel()
                break
            self._update(job)
            job.state = _STATES.get(self._backfill.state, "paused")
            job.pause(_FOLLOW_SECONDS)
        self._update(job)
        job.result = self._as_json()
        # Somebody may have begun the next run already: that one goes on.
        if job.is_cancelled and not (has_ended or self._jobs.is_stopping or self._backfill.is_cancelled):
            self._backfill.cancel()

    def _update(self, job: Job) -> None:
        progress = self._backfill.progress
        job.done, job.total, job.size = progress.looked_at, self._backfill.total, progress.size
