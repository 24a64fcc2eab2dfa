"""The routes of the backfill, and how it is seen among the jobs."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from framecache.admin.jobs import Job, Jobs
from framecache.admin.work import BackfillArea
from framecache.prefetch.backfill_plan import Progress
from framecache.telemetry.events import Events

from tests.unit.fakes import FakeClock, eventually


class Site:
    """An area over a backfill that a test moves by hand."""

    def __init__(self, *, starts: bool = False) -> None:
        clock = FakeClock()
        self.jobs = Jobs(clock, Events(clock))
        filling: Any = SimpleNamespace(
            state="off",
            reason="",
            progress=Progress(looked_at=3, cached=2, size=200),
            total=10,
            study_date="20261121",
            seconds_left=12.6,
            is_wanted=starts,
            go_on=lambda: self.move("running"),
            pause=lambda: self.move("paused"),
            cancel=lambda: self.move("paused"),
            is_cancelled=False,
        )
        self.filling, self.area = filling, BackfillArea(filling, self.jobs)

    def move(self, state: str) -> None:
        self.filling.state = state

    def job(self) -> Job:
        (job,) = self.jobs.all()
        return job


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.jobs.stop()


def test_it_tells_how_far_it_is(site: Site) -> None:
    assert site.area.get_routes["backfill"]() == {
        "State": "off",
        "Reason": "",
        "Done": 3,
        "Total": 10,
        "Unit": "instances",
        "CachedInstances": 2,
        "Bytes": 200,
        "StudyDate": "20261121",
        "SecondsLeft": 13,
    }
    site.filling.seconds_left, site.filling.study_date = None, ""
    told = site.area.report()
    assert (told["SecondsLeft"], told["StudyDate"]) == (None, None)
    assert not site.jobs.all()


def test_it_is_one_job_from_its_start_to_its_end_over_a_pause(site: Site) -> None:
    assert site.area.start()["State"] == "running"
    job = site.job()
    assert eventually(lambda: (job.state, job.done, job.total, job.size) == ("running", 3, 10, 200))
    assert site.area.pause()["State"] == "paused"
    assert eventually(lambda: job.state == "paused")
    for state, shown in {"waiting": "paused", "full": "paused", "running": "running"}.items():
        site.move(state)
        assert eventually(lambda expected=shown: job.state == expected)  # type: ignore[misc]
    site.area.start()
    assert site.job() is job
    site.filling.progress = Progress(looked_at=10)
    site.move("done")
    assert eventually(lambda: job.state == "done")
    assert job.done == 10
    site.area.start()
    assert len(site.jobs.all()) == 2


def test_to_cancel_the_job_is_a_pause_and_the_end_of_orthanc_is_none(site: Site) -> None:
    site.area.start()
    assert eventually(lambda: site.job().state == "running")
    site.jobs.cancel(site.job().id)
    assert eventually(lambda: site.job().state == "cancelled")
    assert site.filling.state == "paused"
    site.area.start()
    job = site.jobs.all()[0]
    assert eventually(lambda: job.state == "running")
    site.jobs.stop()
    assert eventually(lambda: job.has_ended)
    assert site.filling.state == "running"


def test_what_another_node_cancelled_is_a_cancelled_job_here(site: Site) -> None:
    site.area.start()
    assert eventually(lambda: site.job().state == "running")
    site.filling.is_cancelled, site.filling.state = True, "off"
    assert eventually(lambda: site.job().state == "cancelled")
    assert site.filling.state == "off"


def test_what_another_node_cancelled_and_began_anew_at_once_goes_on(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.area.start()
    job = site.job()

    def cancelled() -> None:
        Job.cancel(job)
        site.filling.is_cancelled = False  # the next run

    monkeypatch.setattr(job, "cancel", cancelled)
    site.filling.is_cancelled = True
    assert eventually(lambda: job.state == "cancelled")
    assert site.filling.state == "running"


def test_where_the_setting_starts_it_it_is_a_job_from_the_beginning() -> None:
    site = Site(starts=True)
    assert site.job().kind == "backfill"
    site.jobs.stop()
