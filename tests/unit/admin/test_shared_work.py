"""Work that workers share is listed among each node's jobs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from framecache.admin.jobs import Job, Jobs
from framecache.admin.work import JobWork, SharedWorkJobs
from framecache.errors import BadRequest
from framecache.prefetch.backfill_plan import SharedProgress
from framecache.telemetry.events import Events

from tests.unit.fakes import FakeClock, eventually

AT_WORK = SharedProgress("export", is_paused=False, has_ended=False, is_cancelled=False, done=3, total=10, size=300)


class Node:
    """A node beside workers that export; a test says how far they are."""

    def __init__(self) -> None:
        clock = FakeClock()
        self.progress, self.did = AT_WORK, list[tuple[str, str]]()
        shared: Any = SimpleNamespace(others=lambda: [self.progress])
        for action in ("pause", "resume", "cancel"):
            setattr(shared, f"{action}_other", lambda kind, action=action: self.did.append((action, kind)))
        self.jobs = Jobs(clock, Events(clock))
        self.work = JobWork(self.jobs, Events(clock), SharedWorkJobs(shared, self.jobs).refresh)

    def listed(self) -> dict[str, Any]:
        (job,) = self.work.jobs()["Jobs"]
        return dict(job)

    def job(self) -> Job:
        (job,) = self.jobs.all()
        return job


@pytest.fixture
def node() -> Iterator[Node]:
    made = Node()
    yield made
    made.jobs.stop()


def test_it_is_one_job_over_a_pause_until_it_is_done(node: Node) -> None:
    assert node.listed()["Kind"] == "archive export"
    assert eventually(lambda: (node.listed()["Done"], node.listed()["Total"]) == (3, 10))
    node.progress = replace(AT_WORK, is_paused=True)
    assert eventually(lambda: node.listed()["State"] == "paused")
    node.progress = replace(AT_WORK, done=10, has_ended=True)
    assert eventually(lambda: node.listed()["State"] == "done")
    assert node.listed()["Done"] == 10


def test_whoever_cancels_the_job_ends_the_work_everywhere(node: Node) -> None:
    node.listed()
    assert eventually(lambda: node.job().state == "running")
    node.jobs.cancel(node.job().id)
    assert eventually(lambda: node.did == [("cancel", "export")])


def test_what_is_cancelled_on_another_machine_is_cancelled_here(node: Node) -> None:
    node.listed()
    assert eventually(lambda: node.job().state == "running")
    node.progress = replace(AT_WORK, has_ended=True, is_cancelled=True)
    assert eventually(lambda: node.listed()["State"] == "cancelled")


def test_a_pause_and_its_end_are_for_all_machines(node: Node) -> None:
    node.progress = replace(AT_WORK, is_paused=True)
    assert node.listed()["CanPause"]
    for action in ("resume", "pause"):
        node.work.post_routes[f"jobs/([^/]+)/{action}"](node.job().id)
    assert node.did == [("resume", "export"), ("pause", "export")]


def test_a_job_of_this_machine_alone_is_not_paused(node: Node) -> None:
    job = node.jobs.begin("warm", lambda job: job.pause(60))
    with pytest.raises(BadRequest):
        node.work.pause(job.id)


def test_what_has_ended_is_not_listed(node: Node) -> None:
    node.progress = replace(AT_WORK, has_ended=True)
    assert node.work.jobs()["Jobs"] == []
