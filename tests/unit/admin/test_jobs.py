"""Jobs: one after the other, followed, cancelled, and bounded in number."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from framecache.admin.jobs import Job, Jobs
from framecache.errors import NotFound, Overloaded, SourceError
from framecache.telemetry.events import Events

from tests.unit.fakes import FakeClock, eventually


class Site:
    def __init__(self, **limits: int) -> None:
        self.clock = FakeClock()
        self.events = Events(self.clock)
        self.jobs = Jobs(self.clock, self.events, **limits)
        self.gate = threading.Event()

    def held(self, job: Job) -> None:
        """Work that lasts until the gate opens."""
        while not (self.gate.is_set() or job.is_cancelled):
            job.pause(0.001)

    def texts(self) -> list[str]:
        return [event.text.split(": ", 1)[1] for event in self.events.since(0, 1000).events]


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.jobs.stop()


def ended(job: Job) -> str:
    assert eventually(lambda: job.has_ended)
    return job.state


def test_a_job_is_done_behind_the_answer_and_tells_how_far_it_is(site: Site) -> None:
    def work(job: Job) -> None:
        job.advance(2, 100)
        site.held(job)
        job.result = {"Cached": 2}

    job = site.jobs.begin("warm", work, level="studies", subject="id", total=3)
    assert eventually(lambda: job.done == 2)
    shown = job.to_json()
    assert (shown["State"], shown["Done"], shown["Total"], shown["Bytes"]) == ("running", 2, 3, 100)
    assert (shown["Kind"], shown["Level"], shown["Subject"], shown["Unit"]) == ("warm", "studies", "id", "instances")
    assert (shown["Created"], shown["Ended"], shown["Result"]) == ("1970-01-01T00:16:40+00:00", None, None)
    site.clock.now += 60
    site.gate.set()
    assert ended(job) == "done"
    assert job.to_json()["Ended"] == "1970-01-01T00:17:40+00:00"
    assert job.to_json()["Result"] == {"Cached": 2}
    assert eventually(lambda: site.texts() == ["done"])


def test_those_of_one_kind_wait_for_each_other_and_other_kinds_do_not(site: Site) -> None:
    order: list[str] = []
    first = site.jobs.begin("warm", site.held)
    second = site.jobs.begin("warm", lambda _: order.append("second"))
    other = site.jobs.begin("verify", lambda _: order.append("other"))

    assert ended(other) == "done"
    assert second.state == "queued"
    site.gate.set()
    assert (ended(first), ended(second)) == ("done", "done")
    assert order == ["other", "second"]
    assert [job.id for job in site.jobs.all()] == [other.id, second.id, first.id]


@pytest.mark.parametrize(
    ("error", "message"),
    [(SourceError("no such file"), "no such file"), (KeyError("secret"), "internal error; see Orthanc's log")],
)
def test_a_job_that_breaks_says_why_and_the_next_is_done(site: Site, error: Exception, message: str) -> None:
    def fail(_job: Job) -> None:
        raise error

    broken, next_one = site.jobs.begin("warm", fail), site.jobs.begin("warm", lambda _: None)

    assert (ended(broken), broken.error) == ("failed", message)
    assert ended(next_one) == "done"


def test_what_is_cancelled_ends_whether_it_waits_or_is_at_work(site: Site) -> None:
    at_work, waiting = site.jobs.begin("warm", site.held), site.jobs.begin("warm", site.held)

    assert site.jobs.cancel(waiting.id).state == "cancelled"
    site.jobs.cancel(at_work.id)
    assert ended(at_work) == "cancelled"
    assert site.jobs.cancel(at_work.id).state == "cancelled"
    with pytest.raises(NotFound):
        site.jobs.cancel("nobody")


def test_the_number_of_jobs_is_bounded() -> None:
    site = Site(most_unfinished=3, most_ended=2)
    made = [site.jobs.begin("warm", site.held) for _ in range(3)]
    with pytest.raises(Overloaded):
        site.jobs.begin("warm", site.held)
    site.gate.set()

    assert [ended(job) for job in made] == ["done"] * 3
    assert [job.id for job in site.jobs.all()] == [made[2].id, made[1].id]
    site.jobs.stop()


def test_the_end_of_the_server_ends_jobs_and_takes_no_more(site: Site) -> None:
    job = site.jobs.begin("warm", site.held)
    assert eventually(lambda: job.state == "running")
    site.jobs.stop()

    assert ended(job) == "cancelled"
    with pytest.raises(Overloaded):
        site.jobs.begin("warm", site.held)
