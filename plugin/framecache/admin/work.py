"""What goes on and what has happened: the routes jobs and events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from framecache.admin.answers import Answer
from framecache.admin.arguments import Asked
from framecache.admin.jobs import Jobs
from framecache.admin.times import iso
from framecache.declaration import Declaration, Number
from framecache.telemetry.events import Events

_MOST_EVENTS = 1000
_LARGEST_SEQUENCE = 2**53 - 1  # what JSON's numbers hold everywhere (RFC 8259 section 6)


EVENTS_ARGUMENTS = (
    Declaration("since", Number(int, 0, _LARGEST_SEQUENCE), 0, meaning="Behind the event of this number."),
    Declaration("limit", Number(int, 1, _MOST_EVENTS), 100, meaning="How many."),
)


class JobWork:
    """The area of jobs and events."""

    def __init__(self, jobs: Jobs, events: Events) -> None:
        self._jobs, self._events = jobs, events
        self.told: Mapping[str, Answer] = {
            "jobs": self.jobs,
            "jobs/([^/]+)": self.job,
            "events": Asked(self.events, EVENTS_ARGUMENTS),
        }
        self.done: Mapping[str, Answer] = {"jobs/([^/]+)/cancel": self.cancel}

    def jobs(self) -> dict[str, Any]:
        """GET /frame-cache/jobs: the newest first."""
        return {"Jobs": [job.to_json() for job in self._jobs.all()]}

    def job(self, job_id: str) -> dict[str, Any]:
        """GET /frame-cache/jobs/{id}. Raises NotFound."""
        return self._jobs.find(job_id).to_json()

    def cancel(self, job_id: str) -> dict[str, Any]:
        """POST /frame-cache/jobs/{id}/cancel: it ends soon; one that has ended stays as it is. Raises NotFound."""
        return self._jobs.cancel(job_id).to_json()

    def events(self, since: int, limit: int) -> dict[str, Any]:
        """GET /frame-cache/events?since=…: what has happened behind the event of that number."""
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
