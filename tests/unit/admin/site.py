"""The administration of one Orthanc: a harness over a real store, and the areas that act on it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from framecache.admin.actions import Actions
from framecache.admin.area import Answer, read_arguments
from framecache.admin.instance_jobs import Verification, Warming
from framecache.admin.jobs import Job, Jobs
from framecache.admin.resources import ResourceUsage
from framecache.admin.work import JobWork
from framecache.orthanc.hierarchy import Hierarchy
from framecache.policy.policy import Policy, site_rules
from framecache.ports import Clock
from framecache.prefetch.write_behind import WriteBehind
from framecache.store.disk.disk_store import DiskStore
from framecache.store.resilient_store import ResilientStore
from framecache.telemetry.events import Events

from tests.unit.fakes import eventually
from tests.unit.harness import Harness

MB = 1 << 20


class Site(Harness[ResilientStore, Clock]):
    """A harness over a real store, with what administrators do."""

    def __init__(self, folder: Path, *, longest_queue: int = 100_000, most_queued: int = 500) -> None:
        self.folder = folder / "cache"
        store = ResilientStore(lambda: DiskStore(self.folder, 1 << 30), 1 << 30, time)
        policy = Policy(site_rules((), (), minimum_frames=2, minimum_frame_mb=4.0, mode="copy"))
        super().__init__(folder, store, time, policy, longest_queue=longest_queue)
        self.write_behind = WriteBehind(self.catalogue, self.store)
        self.events = Events(time)
        self.jobs = Jobs(time, self.events)
        self.work = JobWork(self.jobs, self.events)
        archive = Hierarchy(self.api)
        self.archived = dict[str, int]()
        self.resources = ResourceUsage(
            archive, self.catalogue, self.store, self.scheduler, archived=lambda _study, _series: self.archived
        )
        self.actions = Actions(
            archive,
            self.catalogue,
            self.store,
            self.scheduler,
            self.write_behind,
            self.jobs,
            Warming(self.scheduler, self.catalogue, self.store.usage, most_queued=most_queued).of,
            Verification(self.catalogue, self.store.blocks, self.metrics).of,
            self.events,
        )

    def close(self) -> None:
        self.jobs.stop()
        self.write_behind.stop()
        super().close()
        self.store.close()

    @property
    def names(self) -> list[str]:
        """The Orthanc IDs of what was taken in."""
        return list(self.api.instances)

    def told(self, pattern: str, *groups: str, **arguments: str) -> Any:
        return _answered(self.resources.get_routes[pattern], groups, arguments)

    def do(self, pattern: str, *groups: str) -> Any:
        return _answered(self.actions.post_routes[pattern], groups, {})

    def work_told(self, pattern: str, **arguments: str) -> Any:
        return _answered(self.work.get_routes[pattern], (), arguments)

    def job(self, answer: dict[str, Any]) -> Job:
        """The job that an answer tells of, when it has ended."""
        job = self.jobs.find(answer["Job"])
        assert eventually(lambda: job.has_ended)
        return job

    def warm(self, *names: str) -> None:
        self.start()
        for name in names:
            job = self.job(self.do("(studies|series|instances)/([^/]+)/warm", "instances", name))
            assert job.state == "done"

    def told_instance(self, name: str) -> tuple[str, int]:
        """Its state, and how many of its frames are cached."""
        answer = self.told("instances/([^/]+)", name)
        return answer["State"], answer["CachedFrames"]

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events.since(0, 1000).events]


def _answered(answer: Answer, groups: tuple[str, ...], arguments: dict[str, str]) -> Any:
    """As a client reads it."""
    return json.loads(json.dumps(answer(*groups, **read_arguments(answer, arguments))))
