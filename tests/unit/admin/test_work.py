"""The routes jobs and events."""

from __future__ import annotations

import json
from typing import Any

from framecache.admin.area import Answer, read_arguments
from framecache.admin.jobs import Jobs
from framecache.admin.work import JobWork
from framecache.telemetry.events import Events

from tests.unit.fakes import FakeClock, eventually


def answered(answer: Answer, *groups: str, **arguments: str) -> Any:
    return json.loads(json.dumps(answer(*groups, **read_arguments(answer, arguments))))


def test_jobs_are_told_and_cancelled_by_their_ids() -> None:
    events = Events(FakeClock())
    jobs = Jobs(FakeClock(), events)
    area = JobWork(jobs, events)
    job = jobs.begin("warm", lambda job: job.pause(60))
    assert eventually(lambda: job.state == "running")

    assert [shown["ID"] for shown in answered(area.get_routes["jobs"])["Jobs"]] == [job.id]
    assert answered(area.get_routes["jobs/([^/]+)"], job.id)["State"] == "running"
    assert answered(area.post_routes["jobs/([^/]+)/cancel"], job.id)["ID"] == job.id
    assert eventually(lambda: bool(answered(area.get_routes["jobs/([^/]+)"], job.id)["State"] == "cancelled"))
    jobs.stop()


def test_events_are_told_from_a_number_on() -> None:
    events = Events(FakeClock())
    area = JobWork(Jobs(FakeClock(), events), events)
    events.note("pinned", "studies", "id", "why")
    events.note("degraded", text="disk full")

    told = answered(area.get_routes["events"], since="1")
    assert told == {
        "Events": [
            {
                "Sequence": 2,
                "Time": "1970-01-01T00:16:40+00:00",
                "Kind": "degraded",
                "Level": None,
                "ID": None,
                "Text": "disk full",
            }
        ],
        "Last": 2,
        "Done": True,
        "Missed": False,
    }
    assert answered(area.get_routes["events"], limit="1")["Done"] is False
