"""Work that workers share is listed among each node's jobs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from framecache.admin.jobs import Job, Jobs
from framecache.admin.work import JobWork, SharedWorkJobs
from framecache.prefetch.backfill_plan import SharedProgress
from framecache.telemetry.events import Events

from tests.unit.fakes import FakeClock, eventually

AT_WORK = SharedProgress("export", is_paused=False, has_ended=False, done=3, total=10, size=300)


class Node:
    """A node beside workers that export; a test says how far they are."""

    def __init__(self) -> None:
        clock = FakeClock()
        self.progress, self.paused = AT_WORK, list[str]()
        shared: Any = SimpleNamespace(others=lambda: [self.progress], pause_other=self.paused.append)
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


def test_whoever_cancels_the_job_pauses_the_work_everywhere(node: Node) -> None:
    node.listed()
    assert eventually(lambda: node.job().state == "running")
    node.jobs.cancel(node.job().id)
    assert eventually(lambda: node.paused == ["export"])


def test_what_is_not_at_work_is_not_listed(node: Node) -> None:
    node.progress = replace(AT_WORK, is_paused=True)
    assert node.work.jobs()["Jobs"] == []
